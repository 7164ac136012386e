//! One server that works, and five that fail.

use atoma::{Client, Timeouts};
use atoma_mock::{MockServer, Response};
use serde_json::json;
use std::time::Duration;

pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    pub(crate) client: Client,
    _mock: MockServer,
}

const TEXT: &str = "The pulse of a stream says more than its bytes do: a model that works writes a token every few \
    hundredths of a second, and then it says that it is done.";

pub(crate) async fn start() -> atoma::Result<Vec<Server>> {
    let text = || Response::text(TEXT);
    let page =
        json!({"choices": [{"index": 0, "delta": {"content": "The pulse of "}}]}).to_string();
    let page = std::iter::repeat_n(page, 9).chain(["<html>502 Bad Gateway</html>".to_owned()]);
    let servers = [
        ("works", 55, text()),
        ("closes early", 45, text().truncate_after_events(17)),
        ("falls silent", 40, text().only_keep_alive_after(13)),
        ("reports an error", 60, {
            text().error_after_events(12, json!({"code": "overloaded", "message": "out of memory"}))
        }),
        ("loses its gateway", 70, Response::events(page)),
        ("resets", 35, text().reset_after_events(21)),
    ];
    let mut started = Vec::new();
    for (name, milliseconds, response) in servers {
        let mock = MockServer::builder()
            .event_interval(Duration::from_millis(milliseconds))
            .keep_alive(Duration::from_millis(100))
            .start()
            .await;
        mock.always(response.delay_first_event(Duration::from_millis(milliseconds * 5)));
        let timeouts = Timeouts::default().idle(Duration::from_secs(1)).total(None);
        let client = Client::builder()
            .api_key("any")
            .server_url(mock.url())
            .stream_timeouts(timeouts)
            .build()?;
        started.push(Server { name, url: mock.url().to_owned(), client, _mock: mock });
    }
    Ok(started)
}
