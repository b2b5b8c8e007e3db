use super::*;
use crate::testing::{ASKED, Encoder, ask, compress, create, deflated, frame, interleaved, message, preface, tell};
use crate::{Api, Doubt, Protocol};

#[test]
fn streams_are_exchanges() {
    let heard = hear(&interleaved());
    assert_eq!(heard.done.len(), 3);
    for (number, Done(exchange)) in heard.done.iter().enumerate() {
        assert!(exchange.doubts.is_empty(), "{exchange:?}");
        assert_eq!(
            (exchange.protocol, exchange.host.as_str()),
            (Protocol::Http2, "api.anthropic.com")
        );
        assert_eq!((exchange.path.as_str(), exchange.status), ("/v1/messages", Some(200)));
        let call = exchange.call.as_ref().unwrap();
        assert_eq!(
            (call.api, call.model_asked.as_str()),
            (Api::Anthropic, "claude-sonnet-4-5")
        );
        assert_eq!(call.usage.output, Some(10 * (2 * u64::try_from(number).unwrap() + 1)));
        assert_eq!(exchange.request.decoded_bytes, ASKED.len() as u64);
    }
    assert_eq!(
        heard.told.iter().filter(|line| *line == "  x-trailer=secret").count(),
        3
    );
    assert_eq!(
        heard
            .told
            .iter()
            .filter(|line| *line == "  x-api-key=sk-secret")
            .count(),
        3
    );
}

#[test]
fn a_reset_stream_is_cut_short() {
    let mut client = Encoder::default();
    let asked = ask(&mut client, 1, ASKED, 1000);
    let heard = hear(&vec![
        sent([preface(), asked].concat()),
        received(frame(3, 0, 1, &[0, 0, 0, 8])),
    ]);
    assert!(heard.only().doubts.contains(Doubt::CutShort));
    assert_eq!(heard.only().call.as_ref().unwrap().model_asked, "claude-sonnet-4-5");
}

#[test]
fn bytes_lost_in_data_are_counted_and_the_rest_goes_on() {
    let mut client = Encoder::default();
    let asked = ask(&mut client, 1, ASKED, 1000);
    let (before, after) = asked.split_at(asked.len() - 30);
    let mut conversation = Conversation::new(Limits::default());
    let mut heard = Heard::default();
    conversation.bytes(Direction::Sent, &[preface(), before.to_vec()].concat(), &mut |told| {
        heard.take(&told);
    });
    conversation.gap(Direction::Sent, 20, &mut |told| heard.take(&told));
    conversation.bytes(Direction::Sent, &after[20..], &mut |told| heard.take(&told));
    conversation.bytes(Direction::Sent, &ask(&mut client, 3, ASKED, 1000), &mut |told| {
        heard.take(&told);
    });
    conversation.closed(&mut |told| heard.take(&told));
    let first = &heard.done[0].0;
    assert_eq!(
        (first.request.missing_bytes, first.request.decoded_bytes),
        (20, ASKED.len() as u64 - 20)
    );
    assert!(first.doubts.contains(Doubt::Gap));
    let second = &heard.done[1].0;
    assert_eq!(
        (second.host.as_str(), second.doubts.contains(Doubt::Gap)),
        ("api.anthropic.com", false)
    );
}

/// Of a connection that is older than us, frames are found again, and of fields what was said since.
#[test]
fn a_connection_joined_in_the_middle_is_understood_as_far_as_it_can_be() {
    let (mut client, mut server) = (Encoder::default(), Encoder::default());
    let unheard = ask(&mut client, 101, ASKED, 1000);
    tell(&mut server, 101, 7);
    let pieces = [
        sent(&unheard[unheard.len() - 20..]),
        sent(ask(&mut client, 103, ASKED, 1000)),
        received(tell(&mut server, 103, 7).concat()),
    ];
    for size in [1, 5, 1000] {
        let mut conversation = Conversation::new(Limits::default());
        let mut heard = Heard::default();
        for direction in [Direction::Sent, Direction::Received] {
            conversation.gap(direction, 0, &mut |told| heard.take(&told));
        }
        for (direction, bytes) in &pieces {
            for piece in bytes.chunks(size) {
                conversation.bytes(*direction, piece, &mut |told| heard.take(&told));
            }
        }
        conversation.closed(&mut |told| heard.take(&told));
        let exchange = heard.only();
        assert!(exchange.doubts.contains(Doubt::OlderThanUs));
        // The path could not be told: the body could.
        let call = exchange.call.as_ref().unwrap();
        assert_eq!(
            (call.model_asked.as_str(), call.usage.output),
            ("claude-sonnet-4-5", Some(7)),
            "{size}"
        );
    }
}

#[test]
fn a_server_may_begin() {
    let mut trace = interleaved();
    trace.swap(0, 1);
    assert_eq!(hear(&trace).done.len(), 3);
}

/// RFC 8441.
#[test]
fn a_stream_may_be_a_websocket() {
    let (mut client, mut server) = (Encoder::default(), Encoder::default());
    let mut trace = vec![sent(preface()), received(frame(4, 0, 0, &[]))];
    let (mut deflate, fields) = (
        compress(),
        [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":path", "/v1/responses"),
        ],
    );
    for stream in (1..60).step_by(2) {
        trace.push(sent(frame(1, 4, stream, &client.block(&fields))));
        let head = [
            (":status", "200"),
            (
                "sec-websocket-extensions",
                "permessage-deflate; client_no_context_takeover",
            ),
        ];
        trace.push(received(frame(1, 4, stream, &server.block(&head))));
    }
    let asked = message(0xc1, Some([1, 2, 3, 4]), &deflated(&mut deflate, &create("gpt-5")));
    trace.push(sent(frame(0, 1, 1, &asked)));
    trace.push(received(frame(0, 1, 1, &[])));
    let heard = hear(&trace);
    let done = &heard.done[0].0;
    assert_eq!(
        (done.protocol, done.doubts.is_empty()),
        (Protocol::WebSocket, true),
        "{done:?}"
    );
    assert_eq!(done.call.as_ref().unwrap().model_asked, "gpt-5");
    assert_eq!(
        heard
            .done
            .iter()
            .filter(|done| done.0.doubts.contains(Doubt::Oversized))
            .count(),
        14
    );
}

#[test]
fn bytes_lost_in_the_preface_do_not_count_as_frames() {
    let mut conversation = Conversation::new(Limits::default());
    let mut heard = Heard::default();
    let mut trace = interleaved();
    let bytes = std::mem::take(&mut trace[0].1);
    conversation.bytes(Direction::Received, &trace.remove(1).1, &mut |told| heard.take(&told));
    conversation.bytes(Direction::Sent, &bytes[..10], &mut |told| heard.take(&told));
    conversation.gap(Direction::Sent, 5, &mut |told| heard.take(&told));
    conversation.bytes(Direction::Sent, &bytes[15..], &mut |told| heard.take(&told));
    for (direction, bytes) in &trace {
        conversation.bytes(*direction, bytes, &mut |told| heard.take(&told));
    }
    conversation.closed(&mut |told| heard.take(&told));
    assert_eq!(heard.done.len(), 3);
}
