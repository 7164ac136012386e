// The first byte is a status, the rest the body of the response. Whatever the server sends, the
// call ends in an error that fits on one short line and does not show the key that the server may
// have repeated.

use super::{check_error, client, request, with_secret};
use atoma::ApiError;
use atoma_transport::testing::{Exchange, ManualTimer, ScriptedTransport};

const STATUSES: [u16; 8] = [400, 401, 402, 404, 422, 429, 500, 503];

pub(crate) fn check(input: &[u8]) {
    let Some((&status, body)) = input.split_first() else { return };
    let status = STATUSES[usize::from(status) % STATUSES.len()];
    let body = with_secret(body);
    if let Some(api) = ApiError::from_body(&body) {
        // The maximum length of the whole text, however long its parts are.
        let _ = (api.to_string(), format!("{api:?}"));
    }

    let timer = ManualTimer::new();
    let failed = || Exchange::respond(status).body(body.clone());
    let inside = Exchange::respond(200).body([b"data: ", &body[..], b"\n\n"].concat());
    let server = ScriptedTransport::new([failed(), failed(), inside]);
    let client = client().server_url("http://localhost:1").timer(timer.clone());
    let client = client.transport(server).build().expect("the client is well configured");
    timer.run(async {
        for streams in [false, true] {
            let error = match streams {
                false => client.chat().create(request()).await.err(),
                true => client.chat().stream(request()).await.err(),
            };
            let error = error.expect("an error status is an error");
            assert!(error.is_api_error() && error.status().is_some_and(|actual| actual == status));
            check_error(&error);
        }
        let stream = client.chat().stream(request()).await;
        let whole = match stream {
            Ok(stream) => stream.into_response().await,
            Err(error) => Err(error),
        };
        if let Err(error) = whole {
            check_error(&error);
        }
    });
}
