//! The gateway's side of the control socket, as far as the courier knows it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use aa_audit::webhook::sign;
use aa_wire::WireError;
use aa_wire::alerts::{CourierReport, TestOrder};
use aa_wire::api::{Answer, Ask, Reply, Request};

#[derive(Default)]
pub(super) struct Heard {
    pub(super) reports: Vec<CourierReport>,
    pub(super) signed: Vec<(String, String)>,
}

/// Orders a test of `soc` once, and signs for one host with one secret.
pub(super) fn start(socket: &Path, secret: &'static str) -> Arc<Mutex<Heard>> {
    let listener = UnixListener::bind(socket).unwrap();
    let heard: Arc<Mutex<Heard>> = Arc::default();
    let shared = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming().map(Result::unwrap) {
            let heard = Arc::clone(&shared);
            std::thread::spawn(move || {
                let mut output = stream.try_clone().unwrap();
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let ask: Ask = serde_json::from_str(&line).unwrap();
                    let mut text = serde_json::to_string(&Answer::new(reply(ask.request, &heard, secret))).unwrap();
                    text.push('\n');
                    if output.write_all(text.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    heard
}

fn reply(request: Request, heard: &Mutex<Heard>, secret: &str) -> Result<Reply, WireError> {
    let mut heard = heard.lock().unwrap();
    match request {
        Request::Courier(report) => {
            heard.reports.push(report);
            let order = TestOrder {
                ticket: 7,
                name: "soc".into(),
            };
            Ok(Reply::CourierOrders(
                (heard.reports.len() == 1).then_some(order).into_iter().collect(),
            ))
        }
        Request::Sign(request) if request.host == "127.0.0.1" && request.secret == "SOC" => {
            heard.signed.push((request.secret, request.host));
            let signature = sign(secret.as_bytes(), &request.message).unwrap();
            Ok(Reply::Signed { signature })
        }
        _ => Err(WireError::new("no-such-secret", "there is none")),
    }
}
