//! A receiver on this machine, by TLS with an authority that lives as long as the test. It answers as it is told and keeps what it got.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

pub(super) struct Receiver {
    pub(super) port: u16,
    folder: TempDir,
    got: Arc<Mutex<Vec<Vec<u8>>>>,
    answers: Arc<Mutex<VecDeque<&'static str>>>,
}

impl Receiver {
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (ca, config) = identity();
        std::fs::write(folder.path().join("ca.pem"), ca).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self {
            port: listener.local_addr().unwrap().port(),
            folder,
            got: Arc::default(),
            answers: Arc::default(),
        };
        let (got, answers) = (Arc::clone(&receiver.got), Arc::clone(&receiver.answers));
        std::thread::spawn(move || {
            for stream in listener.incoming().map(Result::unwrap) {
                let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
                serve(StreamOwned::new(tls, stream), &got, &answers);
            }
        });
        receiver
    }

    pub(super) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// What to answer next, each once; `200 OK` behind that.
    pub(super) fn answer(&self, lines: &[&'static str]) {
        self.answers.lock().unwrap().extend(lines);
    }

    /// What came, whole.
    pub(super) fn got(&self) -> Vec<String> {
        let got = self.got.lock().unwrap();
        got.iter()
            .map(|bytes| String::from_utf8(bytes.clone()).unwrap())
            .collect()
    }

    /// Waits until so much came.
    pub(super) fn wait_for(&self, count: usize) -> Vec<String> {
        super::eventually(&format!("{count} arrive"), || self.got.lock().unwrap().len() >= count);
        self.got()
    }
}

fn identity() -> (String, Arc<ServerConfig>) {
    let ca_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(vec![]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = authority.self_signed(&ca_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::from_params(&authority, &ca_key)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = builder
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    (ca.pem(), Arc::new(config))
}

/// HTTP is answered; anything else is read to its end, as syslog is.
fn serve(
    mut stream: StreamOwned<ServerConnection, std::net::TcpStream>,
    got: &Mutex<Vec<Vec<u8>>>,
    answers: &Mutex<VecDeque<&'static str>>,
) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: "))
                .unwrap();
            if body.len() == length.parse::<usize>().unwrap() {
                let answer = answers
                    .lock()
                    .unwrap()
                    .pop_front()
                    .unwrap_or("200 OK\r\nContent-Length: 0\r\n\r\n");
                got.lock().unwrap().push(bytes);
                // Who does not wait for it has gone.
                let _ = write!(stream, "HTTP/1.1 {answer}").and_then(|()| stream.flush());
                stream.conn.send_close_notify();
                let _ = stream.flush();
                return;
            }
        }
    }
    if !bytes.is_empty() {
        got.lock().unwrap().push(bytes);
    }
}
