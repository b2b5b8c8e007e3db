use proptest::prelude::*;

use super::*;
use crate::WireError;
use crate::ids::{Pid, Slot};
use crate::sensor::{FromSensor, Reply, Request, ToSensor};

fn govern() -> ToSensor {
    ToSensor {
        body: Request::Govern {
            pid: Pid(7),
            start_ns: Some(9),
            slot: Slot(3),
            agent_name: "claude".into(),
        },
        id: 1,
    }
}

fn load(bytes: usize) -> ToSensor {
    let body = Request::LoadPolicy {
        name: "coding-agent".into(),
        digest: "d".into(),
        lowered: vec![0; bytes],
        replaces: false,
        open_until_ns: 0,
    };
    ToSensor { body, id: 2 }
}

#[test]
fn a_frame_is_its_length_and_its_body() {
    let frame = encode(&ToSensor {
        body: Request::Processes,
        id: 300,
    })
    .unwrap();
    assert_eq!(frame, [3, 0, 0, 0, 5, 0xac, 0x02]);
}

#[test]
fn frames_come_out_whole_however_they_are_cut() {
    let mut bytes = encode(&govern()).unwrap();
    bytes.extend(encode(&load(5000)).unwrap());
    for cut in 0..bytes.len() {
        let (first, second) = bytes.split_at(cut);
        let mut decoder = Decoder::new();
        let mut messages = Vec::new();
        for part in [first, second] {
            decoder.push(part);
            while let Some(message) = decoder.next_message::<ToSensor>().unwrap() {
                messages.push(message);
            }
        }
        assert_eq!(messages, [govern(), load(5000)]);
        assert!(!decoder.is_mid_frame());
    }
}

#[test]
fn only_policy_tables_may_be_large() {
    assert!(encode(&load(BODY_LIMIT * 2)).is_ok());
    let answer = FromSensor::Response {
        id: 1,
        result: Ok(Reply::Maps {
            text: vec![b'x'; BODY_LIMIT],
        }),
    };
    assert!(matches!(encode(&answer), Err(FrameError::TooLong { .. })));

    let mut decoder = Decoder::new();
    decoder.push(&(2u32 << 20).to_le_bytes());
    assert_eq!(decoder.next_message::<ToSensor>(), Ok(None));
    decoder.push(&[4]);
    assert_eq!(
        decoder.next_message::<ToSensor>(),
        Err(FrameError::TooLong {
            length: 2 << 20,
            limit: BODY_LIMIT
        }),
        "a large frame that is not a policy is refused before it is received"
    );
}

#[test]
fn bytes_behind_the_message_are_refused() {
    let mut frame = encode(&ToSensor {
        body: Request::Status,
        id: 1,
    })
    .unwrap();
    frame.push(0);
    frame[0] += 1;
    let mut decoder = Decoder::new();
    decoder.push(&frame);
    assert_eq!(decoder.next_message::<ToSensor>(), Err(FrameError::Trailing(1)));
}

#[test]
fn an_error_crosses_the_frame() {
    let refused = WireError::new("no-room", "the kernel holds 256 policies").hint("retire one");
    let answer = FromSensor::Response {
        id: 5,
        result: Err(refused),
    };
    let mut decoder = Decoder::new();
    decoder.push(&encode(&answer).unwrap());
    assert_eq!(decoder.next_message::<FromSensor>(), Ok(Some(answer)));
}

proptest! {
    #[test]
    fn any_bytes_are_frames_or_refused(parts: Vec<Vec<u8>>) {
        let mut to_sensor = Decoder::new();
        let mut from_sensor = Decoder::new();
        for part in parts {
            to_sensor.push(&part);
            from_sensor.push(&part);
            while let Ok(Some(_)) = to_sensor.next_message::<ToSensor>() {}
            while let Ok(Some(_)) = from_sensor.next_message::<FromSensor>() {}
        }
    }

    #[test]
    fn any_body_is_a_message_or_refused(body in prop::collection::vec(any::<u8>(), 1..200)) {
        let mut decoder = Decoder::new();
        decoder.push(&u32::try_from(body.len()).unwrap().to_le_bytes());
        decoder.push(&body);
        let _ = decoder.next_message::<FromSensor>();
    }
}
