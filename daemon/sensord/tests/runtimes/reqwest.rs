//! A client by reqwest: `post LIBRARY URL FILE BYTES_TO_BE_ANSWERED`.

use reqwest::blocking::Client;

fn main() {
    let [_, library, url, file, asked] = std::env::args().collect::<Vec<_>>().try_into().unwrap();
    let client = Client::builder().danger_accept_invalid_certs(true);
    let client = match library.as_str() {
        #[cfg(feature = "native-tls")]
        "native-tls" => client.use_native_tls(),
        name => {
            let provider = match name {
                "ring" => rustls::crypto::ring::default_provider(),
                _ => rustls::crypto::aws_lc_rs::default_provider(),
            };
            provider.install_default().unwrap();
            client.use_rustls_tls()
        }
    };
    let request = client.build().unwrap().post(url).header("x-answer", &asked);
    let answer = request.body(std::fs::read(file).unwrap()).send().unwrap();
    assert_eq!(answer.bytes().unwrap().len().to_string(), asked);
}
