//! What calls under way may use, and what they used when they are over.

use std::sync::Arc;

use aa_ledger::{Amount, ReservationId};
use aa_policy::{Mode, Policy};
use aa_traffic::{Ask, Exchange};
use aa_wire::SessionId;

use crate::spending::{NoRoom, Treasury};

/// A request for a model, when all of it is told.
#[derive(Clone, Debug)]
pub(super) struct AskedCall {
    /// Of this exchange.
    pub(super) exchange: u64,
    /// All that it names.
    pub(super) models: Vec<String>,
    /// Of its body.
    bytes: u64,
    most_output: Option<u64>,
    /// What is reserved for it already.
    before: Option<(ReservationId, Amount)>,
}

impl AskedCall {
    pub(super) fn new(exchange: &Exchange, ask: &Ask<'_>, account: &CallAccount) -> Self {
        Self {
            exchange: exchange.id,
            models: ask.models.to_vec(),
            bytes: body_bytes(exchange).saturating_sub(account.settled_bytes),
            most_output: ask.most_output,
            before: account.taken.as_ref().and_then(|taken| taken.reserved),
        }
    }
}

/// Decoded, or as it came where that cannot be done.
fn body_bytes(exchange: &Exchange) -> u64 {
    exchange.request.decoded_bytes.max(exchange.request.raw_bytes)
}

/// What was taken for a call.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    policy: Arc<Policy>,
    session: SessionId,
    /// None where the policy only observes, and there was no room.
    reserved: Option<(ReservationId, Amount)>,
}

/// What calls of one exchange use.
#[derive(Debug, Default)]
pub(super) struct CallAccount {
    taken: Option<Taken>,
    /// Of the request's body, those of calls that are over: a WebSocket has many.
    settled_bytes: u64,
}

impl CallAccount {
    pub(super) fn take(&mut self, taken: Taken) {
        self.taken = Some(taken);
    }

    /// It is not sent: nothing is used.
    pub(super) fn release(&mut self, treasury: &Treasury) {
        if let Some(Taken {
            policy,
            session,
            reserved: Some((id, _)),
        }) = self.taken.take()
        {
            treasury.settle(&policy, session, id, Amount::default());
        }
    }

    /// It is over. What was not told is charged as it was reserved.
    pub(super) fn settle(&mut self, exchange: &Exchange, told: Option<Amount>, treasury: &Treasury) {
        self.settled_bytes = body_bytes(exchange);
        let Some(taken) = self.taken.take() else { return };
        match taken.reserved {
            Some((id, reserved)) => treasury.settle(&taken.policy, taken.session, id, told.unwrap_or(reserved)),
            None => treasury.charge(&taken.policy, taken.session, told.unwrap_or_default()),
        }
    }
}

/// Takes room for calls, for all or for none; which exchange has what.
pub(super) fn take_room(
    treasury: &Treasury,
    policy: &Arc<Policy>,
    session: SessionId,
    calls: &[AskedCall],
) -> Result<Vec<(u64, Taken)>, NoRoom> {
    let mut taken: Vec<(u64, Taken)> = Vec::new();
    for call in calls {
        let estimate = treasury.estimate(&call.models, call.bytes, call.most_output);
        // Told again when its request has ended.
        let known = taken.iter().rfind(|(exchange, _)| *exchange == call.exchange);
        let before = known.map_or(call.before, |(_, taken)| taken.reserved);
        match treasury.reserve(policy, session, &estimate, before) {
            Ok(id) => {
                let already = before.map_or(Amount::default(), |(_, amount)| amount);
                let amount = already.plus(estimate.amount().minus(already));
                taken.retain(|(exchange, _)| *exchange != call.exchange);
                let reserved = Some((id, amount));
                taken.push((call.exchange, entry(policy, session, reserved)));
            }
            Err(no_room) => {
                for (_, taken) in taken {
                    let mut account = CallAccount::default();
                    account.take(taken);
                    account.release(treasury);
                }
                return Err(no_room);
            }
        }
    }
    Ok(taken)
}

fn entry(policy: &Arc<Policy>, session: SessionId, reserved: Option<(ReservationId, Amount)>) -> Taken {
    Taken {
        policy: Arc::clone(policy),
        session,
        reserved,
    }
}

/// Of calls for which there was no room, and that go on because the policy only observes: charged when they are over.
pub(super) fn observed(policy: &Arc<Policy>, session: SessionId, calls: &[AskedCall]) -> Vec<(u64, Taken)> {
    if policy.mode() != Mode::Observe {
        return Vec::new();
    }
    let each = calls.iter().map(|call| (call.exchange, entry(policy, session, None)));
    each.collect()
}
