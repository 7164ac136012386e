// The first line of the input is a proxy, the second the servers that need none. They are
// used or an error when the transport is built, and neither shows a password.

use super::{SECRET, check_error};
use atoma_transport::{HyperTransport, Proxy};

pub(crate) fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input).replace("KEY", SECRET);
    let (url, no_proxy) = text.split_once('\n').unwrap_or((&text, ""));
    for proxy in [
        Proxy::all(url),
        Proxy::none().http(url),
        Proxy::none().https(url).no_proxy(no_proxy),
        Proxy::all(format!("http://user:{SECRET}@{url}")),
        Proxy::all(format!("{url}://user:{SECRET}@proxy.test:1")).no_proxy(no_proxy),
    ] {
        assert!(!format!("{proxy:?}").contains(SECRET));
        match HyperTransport::builder().proxy(proxy).build() {
            Ok(transport) => assert!(!format!("{transport:?}").contains(SECRET)),
            Err(error) => {
                assert!(error.is_proxy(), "{error}");
                check_error(&error);
            }
        }
    }
}
