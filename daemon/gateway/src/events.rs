//! Answering `events`: from the log what has happened, then from the recorder what happens.

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use aa_audit::{AuditError, last_matching, scan, scan_since};
use aa_wire::api::{EVENTS_LIMIT, EventsQuery, Reply};
use aa_wire::{Event, WireError};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::control::Client;
use crate::gateway::Gateway;

/// Why the stream ended early.
pub(crate) enum Ended {
    Client(io::Error),
    Log(WireError),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Client(error)
    }
}

/// Sends the events the query asks for. Without gaps and repetitions between what was and what comes.
pub(crate) async fn stream(gateway: &Rc<Gateway>, query: EventsQuery, client: &mut Client) -> Result<(), Ended> {
    let mut following = gateway.followers.subscribe();
    let past = history(gateway, &query).await.map_err(Ended::Log)?;
    let last = past.last().map_or(0, |event| event.id).max(query.after.unwrap_or(0));
    for event in past {
        client.answer(Ok(Reply::Event(Box::new(event)))).await?;
    }
    if query.follow {
        follow(&mut following, &query, last, client).await?;
    }
    client.answer(Ok(Reply::End)).await?;
    Ok(())
}

async fn follow(
    following: &mut Receiver<Arc<Event>>,
    query: &EventsQuery,
    last: u64,
    client: &mut Client,
) -> Result<(), Ended> {
    loop {
        let next = tokio::select! {
            next = following.recv() => next,
            () = client.closed() => return Err(Ended::Client(io::ErrorKind::ConnectionAborted.into())),
        };
        match next {
            Ok(event) if event.id > last && query.filter.matches(&event) => {
                // Not in the order of their numbers: each comes when whoever recorded it hears that it is in the log.
                // The event is shared; a reply owns it.
                client.answer(Ok(Reply::Event(Box::new(Event::clone(&event))))).await?;
            }
            Ok(_) => {}
            Err(RecvError::Lagged(events)) => client.answer(Ok(Reply::Skipped { events })).await?,
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}

async fn history(gateway: &Rc<Gateway>, query: &EventsQuery) -> Result<Vec<Event>, WireError> {
    let directory = gateway.audit.directory().to_owned();
    let query = query.clone();
    let limit = query.limit.unwrap_or(EVENTS_LIMIT).min(EVENTS_LIMIT) as usize;
    if limit == 0 {
        return Ok(Vec::new());
    }
    let read = tokio::task::spawn_blocking(move || -> Result<Vec<Event>, AuditError> {
        let after = query.after.unwrap_or(0);
        let wanted = |event: &Event| event.id > after && query.filter.matches(event);
        match (query.since, query.after) {
            (Some(since), _) => last_of(scan_since(&directory, since)?, limit, wanted),
            (None, Some(after)) => last_of(scan(&directory, after.saturating_add(1))?, limit, wanted),
            (None, None) => last_matching(&directory, limit, wanted),
        }
    });
    match read.await {
        Ok(events) => events.map_err(|error| WireError::from_error("audit-unreadable", &error)),
        Err(_) => Err(WireError::new("internal", "reading the audit log failed")),
    }
}

fn last_of(
    events: impl Iterator<Item = Result<Event, AuditError>>,
    limit: usize,
    wanted: impl Fn(&Event) -> bool,
) -> Result<Vec<Event>, AuditError> {
    let mut kept = VecDeque::new();
    for event in events {
        let event = event?;
        if wanted(&event) {
            if kept.len() == limit {
                kept.pop_front();
            }
            kept.push_back(event);
        }
    }
    Ok(kept.into())
}
