/// Counts of events at a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Connections accepted so far.
    pub connections: usize,
    /// Connections that are open now.
    pub open_connections: usize,
    /// Requests received in full so far.
    pub requests: usize,
    /// Responses sent to the end of their script so far.
    pub finished: usize,
    /// Responses that the client left before their end.
    pub abandoned: usize,
    /// Locks returned by `POST /v1/nodes/lock` so far.
    pub locks: usize,
    /// Locks spent by confidential requests so far, whether the request succeeded or not.
    pub spent_locks: usize,
}
