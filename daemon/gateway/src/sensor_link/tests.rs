use std::io::Write;
use std::mem::MaybeUninit;
use std::os::unix::net::UnixStream as StdStream;

use aa_wire::sensor::PolicyInKernel;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::*;

/// Sends a frame the way the sensor does, with descriptors beside.
pub(crate) fn send(socket: &StdStream, message: &FromSensor, descriptors: &[OwnedFd]) {
    let frame = encode(message).unwrap();
    let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !borrowed.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(&borrowed)));
    }
    let sent = sendmsg(socket, &[io::IoSlice::new(&frame)], &mut control, SendFlags::empty()).unwrap();
    assert_eq!(sent, frame.len());
}

pub(crate) fn hello() -> Hello {
    Hello {
        protocol_version: PROTOCOL_VERSION,
        abi_version: 1,
        boot_id: "boot".into(),
        boottime_to_realtime_ns: 1,
        adopted_pins: false,
        without_lsm: false,
        judges_content: true,
        policies_in_kernel: Vec::<PolicyInKernel>::new(),
    }
}

fn files(count: usize) -> Vec<OwnedFd> {
    (0..count)
        .map(|_| std::fs::File::open("/dev/null").unwrap().into())
        .collect()
}

fn greeted() -> (StdStream, Greeted) {
    let (ours, theirs) = StdStream::pair().unwrap();
    send(&theirs, &FromSensor::Hello(hello()), &files(HELLO_DESCRIPTORS));
    (theirs, greet(ours.into()).unwrap())
}

#[test]
fn a_hello_comes_with_all_its_descriptors() {
    let (_theirs, greeted) = greeted();
    assert_eq!(greeted.hello, hello());
}

#[test]
fn a_hello_without_one_of_them_or_of_another_version_is_refused() {
    let (ours, theirs) = StdStream::pair().unwrap();
    send(&theirs, &FromSensor::Hello(hello()), &files(HELLO_DESCRIPTORS - 1));
    assert!(matches!(greet(ours.into()), Err(LinkError::NoDescriptors)));

    let (ours, theirs) = StdStream::pair().unwrap();
    let other = Hello {
        protocol_version: PROTOCOL_VERSION + 1,
        ..hello()
    };
    send(&theirs, &FromSensor::Hello(other), &files(HELLO_DESCRIPTORS));
    assert!(matches!(greet(ours.into()), Err(LinkError::Version { .. })));

    let (ours, theirs) = StdStream::pair().unwrap();
    send(&theirs, &FromSensor::Reload, &[]);
    assert!(matches!(greet(ours.into()), Err(LinkError::NoHello)));
}

fn read_request(socket: &mut StdStream) -> ToSensor {
    use std::io::Read;
    let mut decoder = Decoder::new();
    let mut byte = [0];
    loop {
        if let Some(message) = decoder.next_message::<ToSensor>().unwrap() {
            return message;
        }
        assert_eq!(socket.read(&mut byte).unwrap(), 1);
        decoder.push(&byte);
    }
}

fn in_runtime<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test)
}

#[test]
fn answers_find_who_asked_in_any_order_and_bring_their_descriptors() {
    let (mut theirs, greeted) = greeted();
    let sensor = std::thread::spawn(move || {
        let (first, second) = (read_request(&mut theirs), read_request(&mut theirs));
        for (id, reply, count) in [(second.id, Reply::Mapped, 1), (first.id, Reply::Done, 0)] {
            send(&theirs, &FromSensor::Response { id, result: Ok(reply) }, &files(count));
        }
        send(&theirs, &FromSensor::Reload, &[]);
        (first.body, second.body)
    });
    in_runtime(async move {
        let (_, _, socket, inbox) = greeted.into_parts();
        let (asking, reader) = connect(socket, inbox).unwrap();
        let orders = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&orders);
        let reading = tokio::task::spawn_local(reader.run(move |order| seen.borrow_mut().push(order)));
        let open = Request::OpenMapped {
            pid: aa_wire::Pid(1),
            start_ns: 2,
            from: 3,
            to: 4,
        };
        let (first, second) = tokio::join!(asking.request(Request::Status), asking.request_with_descriptors(open));
        assert_eq!(first, Ok(Reply::Done));
        let (reply, descriptors) = second.unwrap();
        assert_eq!((reply, descriptors.len()), (Reply::Mapped, 1));
        assert!(
            matches!(reading.await.unwrap(), Err(LinkError::Closed)),
            "the sensor closed its end"
        );
        assert_eq!(*orders.borrow(), [Order::Reload]);
        assert_eq!(asking.request(Request::Losses).await.unwrap_err().code, "sensor-gone");
    });
    assert_eq!(sensor.join().unwrap().0, Request::Status);
}

#[test]
fn bytes_that_are_no_message_end_the_link() {
    let (mut theirs, greeted) = greeted();
    theirs.write_all(&[1, 0, 0, 0, 99]).unwrap();
    in_runtime(async move {
        let (_, _, socket, inbox) = greeted.into_parts();
        let (_asking, reader) = connect(socket, inbox).unwrap();
        assert!(matches!(reader.run(|_| ()).await, Err(LinkError::Frame(_))));
    });
}

#[test]
fn a_sensor_that_dies_with_a_request_unread_is_gone() {
    let (theirs, greeted) = greeted();
    in_runtime(async move {
        let (_, _, socket, inbox) = greeted.into_parts();
        let (asking, reader) = connect(socket, inbox).unwrap();
        let reading = tokio::task::spawn_local(reader.run(|_| ()));
        let die = async {
            let peek = RecvFlags::PEEK | RecvFlags::DONTWAIT;
            while rustix::net::recv(&theirs, [0_u8; 1].as_mut_slice(), peek).is_err() {
                tokio::task::yield_now().await;
            }
            drop(theirs);
        };
        let (answer, ()) = tokio::join!(asking.request(Request::Status), die);
        assert_eq!(answer.unwrap_err().code, "sensor-gone");
        assert!(matches!(reading.await.unwrap(), Err(LinkError::Closed)));
    });
}
