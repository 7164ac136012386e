//! A client of a transport that plays a script, on a clock that the test moves.

use atoma::{
    Client, ClientBuilder,
    transport::testing::{Exchange, ManualTimer, ScriptedTransport},
};

pub(crate) fn scripted(
    exchanges: impl IntoIterator<Item = Exchange>,
) -> (ScriptedTransport, ManualTimer, ClientBuilder) {
    let timer = ManualTimer::new();
    let transport = ScriptedTransport::new(exchanges).timer(timer.clone());
    let builder = Client::builder().api_key("sk-test-key").server_url("http://localhost:1");
    let builder = builder.transport(transport.clone()).timer(timer.clone());
    (transport, timer, builder)
}

pub(crate) fn json_body(body: impl std::fmt::Display) -> Exchange {
    Exchange::respond(200).header("content-type", "application/json").body(body.to_string())
}

pub(crate) fn streamed() -> Exchange {
    Exchange::respond(200).header("content-type", "text/event-stream")
}
