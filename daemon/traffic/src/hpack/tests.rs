use proptest::prelude::*;

use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn shown(block: &Block) -> String {
    let fields = block.fields.iter();
    let shown = fields.map(|field| format!("{}: {}", field.name, String::from_utf8_lossy(&field.value)));
    shown.collect::<Vec<_>>().join("\n")
}

fn is_told(decoder: &mut Decoder, block: &str, expected: &[&str]) {
    let block = decoder.block(&hex(block), 1 << 16);
    assert_eq!(shown(&block), expected.join("\n"));
    assert!(block.doubts.is_empty());
}

/// RFC 7541, C.2.
#[test]
fn fields_of_the_rfc() {
    let literal = "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572";
    is_told(&mut Decoder::default(), literal, &["custom-key: custom-header"]);
    is_told(
        &mut Decoder::default(),
        "040c 2f73 616d 706c 652f 7061 7468",
        &[":path: /sample/path"],
    );
    is_told(
        &mut Decoder::default(),
        "1008 7061 7373 776f 7264 0673 6563 7265 74",
        &["password: secret"],
    );
    is_told(&mut Decoder::default(), "82", &[":method: GET"]);
}

const REQUESTS: [&[&str]; 3] = [
    &[
        ":method: GET",
        ":scheme: http",
        ":path: /",
        ":authority: www.example.com",
    ],
    &[
        ":method: GET",
        ":scheme: http",
        ":path: /",
        ":authority: www.example.com",
        "cache-control: no-cache",
    ],
    &[
        ":method: GET",
        ":scheme: https",
        ":path: /index.html",
        ":authority: www.example.com",
        "custom-key: custom-value",
    ],
];

/// RFC 7541, C.3 and C.4.
#[test]
fn requests_of_the_rfc_without_and_with_huffman() {
    for blocks in [
        [
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "8286 84be 5808 6e6f 2d63 6163 6865",
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        ],
        [
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
            "8286 84be 5886 a8eb 1064 9cbf",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ],
    ] {
        let mut decoder = Decoder::default();
        for (block, expected) in blocks.iter().zip(REQUESTS) {
            is_told(&mut decoder, block, expected);
        }
        assert_eq!(decoder.size, 164);
    }
}

/// RFC 7541, C.5 and C.6: a table of 256 bytes, from which entries go.
#[test]
fn answers_of_the_rfc_without_and_with_huffman() {
    let common = [
        "cache-control: private",
        "date: Mon, 21 Oct 2013 20:13:21 GMT",
        "location: https://www.example.com",
    ];
    let third = [
        ":status: 200",
        "cache-control: private",
        "date: Mon, 21 Oct 2013 20:13:22 GMT",
        "location: https://www.example.com",
        "content-encoding: gzip",
        "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    ];
    for blocks in [
        [
            "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "4803 3330 37c1 c0bf",
            "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
        ],
        [
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
            "4883 640e ffc1 c0bf",
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
        ],
    ] {
        let mut decoder = Decoder {
            size_max: 256,
            ..Decoder::default()
        };
        is_told(&mut decoder, blocks[0], &[&[":status: 302"], &common[..]].concat());
        is_told(&mut decoder, blocks[1], &[&[":status: 307"], &common[..]].concat());
        is_told(&mut decoder, blocks[2], &third);
        assert_eq!((decoder.size, decoder.table.len()), (215, 3));
    }
}

#[test]
fn what_was_added_after_a_loss_is_known() {
    let mut decoder = Decoder::default();
    decoder.lost();
    let block = decoder.block(
        &hex("8286 84be 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65 be bf"),
        1 << 16,
    );
    assert_eq!(
        shown(&block),
        ":method: GET\n:scheme: http\n:path: /\ncustom-key: custom-value\ncustom-key: custom-value"
    );
    assert!(block.doubts.contains(Doubt::OlderThanUs));
}

#[test]
fn a_bomb_is_bounded_and_the_table_goes_on() {
    let mut decoder = Decoder::default();
    let value = [b'x'; 4000];
    let mut bytes = [b"\x40\x01a\x7f".as_slice(), &[0xa1, 0x1e], &value].concat();
    bytes.extend(vec![0xbe; 60_000]);
    bytes.extend(b"\x40\x01b\x01c");
    let block = decoder.block(&bytes, 64 << 10);
    assert!(block.doubts.contains(Doubt::Oversized));
    assert!(block.fields.len() < 20, "{}", block.fields.len());
    is_told(&mut decoder, "be", &["b: c"]);
    for _ in 0..100 {
        decoder.block(&[0x3f, 0xff, 0xff, 0xff, 0x7f], 1000);
        decoder.block(&b"\x40\x00\x00".repeat(10_000), 1000);
    }
    assert!(decoder.memory() < 300 << 10, "{}", decoder.memory());
}

/// One representation as an encoder may choose it.
fn representation() -> impl Strategy<Value = Vec<u8>> {
    let text = |text: Vec<u8>, coded: bool| {
        let text = if coded { huffman::encode(&text) } else { text };
        let mut all = vec![u8::try_from(text.len()).unwrap() | if coded { 0x80 } else { 0 }];
        all.extend(text);
        all
    };
    let string =
        (prop::collection::vec(b' '..=b'~', 0..20), any::<bool>()).prop_map(move |(bytes, coded)| text(bytes, coded));
    let name = ("[a-z-]{1,9}", any::<bool>()).prop_map(move |(name, coded)| text(name.into_bytes(), coded));
    prop_oneof![
        (0x81_u8..=0xc6).prop_map(|index| vec![index]),
        (prop::sample::select(vec![0x40_u8, 0x00, 0x10]), name, string.clone()).prop_map(|(kind, name, value)| [
            vec![kind],
            name,
            value
        ]
        .concat()),
        (prop::sample::select(vec![0x41_u8, 0x44, 0x5f, 0x01, 0x1e]), string).prop_map(|(kind, value)| [
            vec![kind],
            value
        ]
        .concat()),
    ]
}

proptest! {
    /// Of what another decoder reads, this one reads the same.
    #[test]
    fn it_agrees_with_another_decoder(blocks in prop::collection::vec(prop::collection::vec(representation(), 1..8), 1..6)) {
        let (mut ours, mut theirs) = (Decoder::default(), loona_hpack::Decoder::new());
        for block in blocks {
            let bytes = block.concat();
            let other = theirs.decode(&bytes);
            let block = ours.block(&bytes, 1 << 20);
            prop_assert_eq!(other.is_err(), block.doubts.contains(Doubt::Malformed));
            let Ok(other) = other else { break };
            let fields: Vec<_> = block.fields.into_iter().map(|field| (field.name.into_bytes(), field.value)).collect();
            prop_assert_eq!(fields, other);
        }
    }

    #[test]
    fn any_block_is_read(blocks: Vec<Vec<u8>>) {
        let mut decoder = Decoder::default();
        for block in blocks {
            decoder.block(&block, 4096);
        }
    }

    #[test]
    fn huffman_there_and_back(text: Vec<u8>) {
        prop_assert_eq!(huffman::decode(&huffman::encode(&text)), Some(text));
    }
}
