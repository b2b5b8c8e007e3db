//! What the gateway is told, and what it has the courier do. The courier asks, always: nothing in the gateway waits for it.

use std::sync::Arc;
use std::time::Duration;

use aa_sdk::{Client, SdkError};
use aa_wire::alerts::{CourierReport, TestOrder, Tested};
use aa_wire::api::{Reply, Request};

use crate::board::Board;
use crate::route;
use crate::settings::{Paths, Rule};

const INTERVAL: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_secs(5);

/// Reports for ever.
pub fn keep(paths: &Arc<Paths>, rules: &[Arc<Rule>], board: &Arc<Board>) {
    loop {
        let Err(error) = serve(paths, rules, board);
        tracing::debug!(%error, "the gateway does not hear");
        std::thread::sleep(RETRY);
    }
}

fn serve(paths: &Arc<Paths>, rules: &[Arc<Rule>], board: &Arc<Board>) -> Result<std::convert::Infallible, SdkError> {
    let mut client = Client::connect(&paths.socket)?;
    loop {
        let report = CourierReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            rules: board.rows(),
            tested: board.take_tested(),
        };
        let Reply::CourierOrders(orders) = client.request(Request::Courier(report))? else {
            return Err(SdkError::Unexpected);
        };
        for order in orders {
            obey(paths, rules, board, order);
        }
        std::thread::sleep(INTERVAL);
    }
}

/// A test takes as long as the receiver does: it is its own thread, and no more of them than the gateway lets wait.
fn obey(paths: &Arc<Paths>, rules: &[Arc<Rule>], board: &Arc<Board>, order: TestOrder) {
    let TestOrder { ticket, name } = order;
    let Some(rule) = rules.iter().find(|rule| rule.name == name).cloned() else {
        let failed = Some(format!("the configuration has no alert `{name}`"));
        return board.test(Tested { ticket, failed });
    };
    let (paths, for_thread) = (Arc::clone(paths), Arc::clone(board));
    let started = std::thread::Builder::new().name("test".into()).spawn(move || {
        let failed = route::test(&rule, &paths).err();
        for_thread.test(Tested { ticket, failed });
    });
    if let Err(error) = started {
        let failed = Some(format!("no thread can be started: {error}"));
        board.test(Tested { ticket, failed });
    }
}
