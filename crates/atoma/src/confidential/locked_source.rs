//! Makes the request of each attempt of a confidential call: a new lock, a new encryption.
//!
//! ```text
//! attempt ─► API key ─► lock: node, key, stack ─► policy ─► encryption ─► request
//!    ▲                    │ 4xx, 5xx   │ a key that failed   │ no             │
//!    │ 423, 425, 500      ▼            ▼                     ▼                ▼
//!    └───────────────── not sent: Failure has the reason              response, session
//! ```
//!
//! A lock is valid for a few seconds and for one request, and each one may name another node. So nothing of an attempt is used
//! twice, neither its key nor its ciphertext.

use super::{LockedNode, Settings, units::units};
use crate::{
    ApiKey, Error, Metadata, Result,
    api_key::Credentials,
    core::Core,
    error::error_response::parse_error_body,
    headers::set,
    response::{LastKey, read_whole, redacted},
};
use atoma_confidential::{CallInfo, NodeKey, Session, SystemRandomness, seal};
use atoma_transport::{
    Attempt, BoxError, Delivery, ErrorKind, FailedAttempt, Request, RequestFuture, RequestSource,
    Transport as _, TransportError,
};
use atoma_types::{ApiError, NodeLockRequest, NodeLockResponse, ResponseModel as _};
use bytes::Bytes;
use http::{
    HeaderMap, Method, StatusCode, Uri,
    header::{ACCEPT, AUTHORIZATION},
    response,
};
use serde_json::Value;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The most bytes of the response to a lock.
const LOCK_LIMIT: usize = 64 << 10;
/// The message of Atoma's proxy when it fails to handle a locked stack.
const LOCKED_STACK: &str = "Internal server error occurred";
/// The message when the node rejected the decrypted request: its key was right.
const BAD_REQUEST: &str = "Bad Request";

/// The source of a confidential call's requests.
pub(crate) struct LockedSource {
    pub(super) core: Arc<Core>,
    /// The caller's policy and the length of a lock.
    settings: Settings,
    /// The confidential request without its body.
    pub(super) request: Request,
    /// Where locks are requested.
    lock_uri: Uri,
    /// The request of the caller, encrypted anew for each attempt.
    plaintext: Bytes,
    /// From the plaintext: the model, and the units that the call may use.
    model: String,
    units: u64,
    /// Whether the response is encrypted event by event.
    is_stream: bool,
    state: Mutex<State>,
}

/// The state after the last attempt.
#[derive(Default)]
struct State {
    /// The key that the attempt was sent with.
    api_key: Option<ApiKey>,
    /// The node that the request was encrypted for.
    node: Option<LockedNode>,
    /// Decrypts the response.
    session: Option<Session>,
    /// The keys that nodes could not decrypt with.
    rejected: Vec<(NodeKey, ErrorResponse)>,
    /// Why the attempt was not sent, if it was not.
    failure: Option<Failure>,
}

/// A response that was not usable, kept until it is clear whether the call fails with it.
#[derive(Clone)]
struct ErrorResponse {
    status: StatusCode,
    headers: HeaderMap,
    api: Option<ApiError>,
}

/// Why the last attempt was not sent.
enum Failure {
    /// The lock returned a key that failed before, with this response.
    Rejected(ErrorResponse),
    /// The response to the lock is not a 2xx.
    Lock(ErrorResponse),
    /// The node or its lock cannot be used.
    Node(BoxError),
}

impl LockedSource {
    /// Returns a source of requests that carry `plaintext` encrypted, or an error if it is not JSON.
    pub(crate) fn new(
        core: Arc<Core>,
        settings: Settings,
        request: Request,
        lock_uri: Uri,
        path: &str,
        plaintext: Bytes,
        is_stream: bool,
    ) -> Result<Arc<Self>> {
        let body: Value = serde_json::from_slice(&plaintext)
            .map_err(|_| Error::misuse("the request is not JSON"))?;
        Ok(Arc::new(Self {
            core,
            settings,
            request,
            lock_uri,
            model: body["model"].as_str().unwrap_or_default().to_owned(),
            units: units(path, &body),
            plaintext,
            is_stream,
            state: Mutex::default(),
        }))
    }

    /// Takes the session that decrypts the response of the last attempt.
    pub(super) fn take_session(&self) -> Option<Session> {
        self.state().session.take()
    }

    /// Returns the node of the last attempt.
    pub(super) fn node(&self) -> Option<LockedNode> {
        self.state().node.clone()
    }

    /// Makes the error of a call without a response.
    pub(super) fn failed_request(&self, error: TransportError) -> Error {
        let delivery = error.delivery();
        match self.state().failure.take() {
            Some(Failure::Lock(response)) => {
                let head =
                    Metadata::new(response.status, response.headers, error.attempts().clone());
                Error::no_lock(response.api, delivery).with_head(&head)
            }
            Some(Failure::Rejected(response)) => {
                let head =
                    Metadata::new(response.status, response.headers, error.attempts().clone());
                Error::error_status(response.api).with_head(&head)
            }
            Some(Failure::Node(why)) => Error::node_refused(why, delivery),
            None => error.into(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LastKey for LockedSource {
    fn last_key(&self) -> Option<ApiKey> {
        self.state().api_key.clone()
    }
}

// One attempt: lock, policy, encryption.
impl LockedSource {
    /// Makes the request of one attempt. Every error is [`Delivery::NotSent`].
    async fn make(&self) -> Result<Request, TransportError> {
        {
            // The reasons to reject a key outlive the attempt, everything else does not.
            let mut state = self.state();
            let rejected = std::mem::take(&mut state.rejected);
            *state = State { rejected, ..State::default() };
        }
        let mut request = self.request.clone();
        let api_key = self.authorize(&mut request).await?;
        self.state().api_key = api_key;
        let began = self.core.timer.now();
        let node = self.lock(request.headers()).await?;
        // Before the policy, which may be slow: encrypting for this key has failed before.
        if self.reject_again(&node.key) {
            return Err(not_sent(true));
        }
        if let Some(policy) = &self.settings.policy {
            policy.check(node.clone()).await.map_err(|why| self.refuse(why))?;
        }
        let call = CallInfo::new(&*self.model, node.stack_small_id)
            .stream(self.is_stream)
            .num_compute_units(self.units);
        let (envelope, session) = seal(&self.plaintext, &node.key, &call, &mut SystemRandomness)
            .map_err(|why| self.refuse(why))?;
        // Measured from before the request for the lock: the server's clock started later.
        let age = self.core.timer.now().saturating_duration_since(began);
        if age >= Duration::from_secs(self.settings.lock_seconds) {
            return Err(not_sent(true).with_source("the lock expired before the request was sent"));
        }
        *request.body_mut() = envelope.into_bytes().into();
        let mut state = self.state();
        (state.node, state.session) = (Some(node), Some(session));
        Ok(request)
    }

    /// Puts a provider's key on the request. Other keys are added below, or there already.
    async fn authorize(&self, request: &mut Request) -> Result<Option<ApiKey>, TransportError> {
        if let Some(own) = request.headers().get(AUTHORIZATION) {
            return Ok(ApiKey::inside(own));
        }
        let Credentials::Provider(provider) = &self.core.credentials else {
            return Ok(self.core.credentials.secret().cloned());
        };
        let key = provider.api_key().await.map_err(crate::key_source::no_key)?;
        set(request.headers_mut(), AUTHORIZATION, key.bearer().clone());
        Ok(Some(key))
    }

    /// Requests a lock. The headers are those of the call, so that the lock is made for the same account.
    async fn lock(&self, headers: &HeaderMap) -> Result<LockedNode, TransportError> {
        let lock = NodeLockRequest::new(&*self.model)
            .max_num_tokens(self.units)
            .timeout(self.settings.lock_seconds);
        let body = lock.to_vec().map_err(|why| self.refuse(why))?;
        let mut request = Request::new(body.into());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.lock_uri.clone();
        *request.headers_mut() = headers.clone();
        // About the response of the call, and about its repetition: neither is the lock's.
        for name in [ACCEPT.as_str(), "idempotency-key"] {
            request.headers_mut().remove(name);
        }
        // A lock is not billed, so it does not matter whether a failed one was taken.
        let sent = self.core.lock_transport.send(request).await;
        let (head, mut body) = sent.map_err(|e| e.with_delivery(Delivery::NotSent))?.into_parts();
        let body = read_whole(&mut body, LOCK_LIMIT).await;
        let body = match body {
            Ok(body) => body,
            Err(why) => return Err(not_sent(true).with_source(why)),
        };
        if !head.status.is_success() {
            let api = parse_error_body(&redacted(&body, self.last_key().as_ref()));
            return Err(self.refuse_status(head, api));
        }
        let lock = NodeLockResponse::from_slice(&body)
            .map_err(|_| self.refuse("the response to the lock cannot be parsed"))?;
        // Models are read tolerantly, and 0 is the id of a stack as well.
        let has_stack = serde_json::from_slice(&body)
            .is_ok_and(|members: Value| !members["stack_small_id"].is_null());
        if !has_stack {
            return Err(self.refuse("the lock has no stack_small_id"));
        }
        Ok(LockedNode {
            key: lock
                .public_key
                .parse()
                .map_err(|why| self.refuse::<BoxError>(Box::new(why) as _))?,
            node_small_id: lock.node_small_id,
            stack_small_id: lock.stack_small_id,
            stack_entry_digest: lock.stack_entry_digest,
        })
    }

    /// Records why the node cannot be used, and returns the error that ends the call.
    fn refuse<E: Into<BoxError>>(&self, why: E) -> TransportError {
        self.state().failure = Some(Failure::Node(why.into()));
        not_sent(false)
    }

    /// Whether the last attempt failed with this key. The error of that attempt stays the reason.
    fn reject_again(&self, key: &NodeKey) -> bool {
        let mut state = self.state();
        let response = state.rejected.iter().find(|(rejected, _)| rejected == key);
        let response = response.map(|(_, response)| response.clone());
        let is_rejected = response.is_some();
        state.failure = response.map(Failure::Rejected);
        is_rejected
    }

    /// Records that the lock was denied. It is requested again if the status suggests it.
    fn refuse_status(&self, head: response::Parts, api: Option<ApiError>) -> TransportError {
        let response::Parts { status, headers, .. } = head;
        let error = Error::no_lock(api.clone(), Delivery::NotSent);
        let head = Metadata::new(status, headers.clone(), Default::default());
        let is_transient = error.with_head(&head).is_retryable();
        self.state().failure = Some(Failure::Lock(ErrorResponse { status, headers, api }));
        not_sent(is_transient)
    }
}

/// The error of an attempt that was not sent; its reason is in [`State::failure`].
fn not_sent(is_transient: bool) -> TransportError {
    let error = TransportError::new(ErrorKind::Other, Delivery::NotSent)
        .with_detail("confidential request not sent");
    if is_transient { error } else { error.permanent() }
}

impl RequestSource for LockedSource {
    fn request(&self, _: Attempt, _: Option<&FailedAttempt>) -> RequestFuture<'_> {
        RequestFuture::new(self.make())
    }

    /// Retries a call whose lock was lost, whatever the configured statuses are: 423, 425, and the
    /// 500 that Atoma's proxy makes of 423.
    fn retries_response(&self, head: &response::Parts, body: &[u8]) -> Option<bool> {
        match head.status.as_u16() {
            423 | 425 => Some(true),
            500 => {
                let key = self.last_key();
                let api = parse_error_body(&redacted(body, key.as_ref()));
                let message = api.as_ref().map_or("", |api| &*api.message);
                // The proxy's form of a 423.
                if message == LOCKED_STACK {
                    return Some(true);
                }
                if message != BAD_REQUEST {
                    // The node may have changed its key since the lock.
                    let (status, headers) = (head.status, head.headers.clone());
                    let mut state = self.state();
                    let node = state.node.as_ref().map(|node| node.key);
                    let response = ErrorResponse { status, headers, api };
                    state.rejected.extend(node.map(|key| (key, response)));
                }
                None
            }
            _ => None,
        }
    }

    fn uri(&self) -> Option<&Uri> {
        Some(self.request.uri())
    }
}
