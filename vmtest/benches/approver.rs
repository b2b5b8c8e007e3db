//! Says yes to everything that asks, as fast as a program can: for the time a held action takes apart from the person.

use aa_sdk::wire::api::{EventFilter, EventsQuery};
use aa_sdk::wire::event::Effect;
use aa_sdk::{Client, SdkError, Streamed};

fn main() -> Result<(), SdkError> {
    let mut answers = Client::connect_default()?;
    let query = EventsQuery {
        follow: true,
        since: None,
        after: None,
        limit: Some(0),
        filter: EventFilter {
            approvals: true,
            ..EventFilter::default()
        },
    };
    for streamed in Client::connect_default()?.events(query)? {
        if let Streamed::Event(event) = streamed?
            && event.effect == Effect::Held
        {
            match answers.answer(event.id, true) {
                // A process that was told twice that it may go on asks again, and what it asked first counts.
                Err(SdkError::Refused(problem)) if problem.code == "no-such-approval" => eprintln!("{problem}"),
                answered => drop(answered?),
            }
        }
    }
    Ok(())
}
