//! What was denied in which session: for the line `aasm run` prints at the end.

use std::collections::{HashMap, VecDeque};

use aa_wire::api::is_denial;
use aa_wire::{Event, SessionId};

/// Sessions that are remembered; the oldest goes first.
const SESSIONS_KEPT: usize = 4096;

/// Denials of one session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Denials {
    pub(crate) count: u64,
    pub(crate) first: Option<Box<Event>>,
}

/// Denials by session.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    denials: HashMap<SessionId, Denials>,
    order: VecDeque<SessionId>,
}

impl Sessions {
    /// Counts the event if it is a denial of a session.
    pub(crate) fn note(&mut self, event: &Event) {
        let Some(agent) = event.agent.as_ref().filter(|_| is_denial(event)) else {
            return;
        };
        if !self.denials.contains_key(&agent.session) {
            self.order.push_back(agent.session);
            if self.order.len() > SESSIONS_KEPT
                && let Some(oldest) = self.order.pop_front()
            {
                self.denials.remove(&oldest);
            }
        }
        let denials = self.denials.entry(agent.session).or_default();
        denials.count += 1;
        denials.first.get_or_insert_with(|| Box::new(event.clone()));
    }

    pub(crate) fn of(&self, session: SessionId) -> Denials {
        self.denials.get(&session).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aa_wire::event::{AgentRef, Effect, Kind};
    use aa_wire::{AgentId, Timestamp};

    fn event(session: u64, effect: Effect, id: u64) -> Event {
        let agent = AgentRef {
            id: AgentId(1),
            name: None,
            session: SessionId(session),
        };
        Event {
            id,
            agent: Some(agent),
            ..Event::bare(Timestamp::default(), Kind::Decision, effect, "exec")
        }
    }

    #[test]
    fn only_denials_of_the_session_count_and_the_first_is_kept() {
        let mut sessions = Sessions::default();
        for (session, effect, id) in [
            (1, Effect::Allowed, 1),
            (1, Effect::Denied, 2),
            (2, Effect::Denied, 3),
            (1, Effect::Killed, 4),
        ] {
            sessions.note(&event(session, effect, id));
        }
        let denials = sessions.of(SessionId(1));
        assert_eq!((denials.count, denials.first.unwrap().id), (2, 2));
        assert_eq!(sessions.of(SessionId(9)).count, 0);
    }

    #[test]
    fn old_sessions_are_forgotten() {
        let mut sessions = Sessions::default();
        for session in 0..=SESSIONS_KEPT as u64 {
            sessions.note(&event(session, Effect::Denied, session));
        }
        assert_eq!(sessions.of(SessionId(0)).count, 0);
        assert_eq!(sessions.of(SessionId(1)).count, 1);
    }
}
