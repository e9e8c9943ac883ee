//! Named limits on everything that comes from outside. Source: Lambda quotas (autumn 2026).

use std::num::NonZero;
use std::time::Duration;

/// The limits in force. AWS's numbers by default; an operator may raise them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Body of a synchronous invocation, bytes.
    pub sync_payload_bytes_max: u64,
    /// Buffered answer of a function, bytes (6 MiB and 100 bytes).
    pub response_bytes_max: u64,
    /// Body of any control request, bytes.
    pub request_bytes_max: u64,
    /// A directly uploaded package, bytes.
    pub zip_bytes_max: u64,
    /// A package unpacked, bytes.
    pub unzipped_bytes_max: u64,
    /// Entries of a package.
    pub zip_entries_max: usize,
    /// The layers of an image unpacked, bytes. Source: Lambda quotas.
    pub image_bytes_max: u64,
    /// Files, folders and links of an image, over all its layers.
    pub image_entries_max: usize,
    /// Layers of an image: as many as the file systems of usual engines can lay on top of each other.
    pub image_layers_max: usize,
    /// The settings of an image, its own and its function's, as JSON, bytes. Source: Lambda quotas.
    pub image_settings_bytes_max: usize,
    /// All environment variables of a function as JSON, bytes.
    pub environment_bytes_max: usize,
    /// Decoded log tail, bytes.
    pub log_tail_bytes_max: usize,
    /// `X-Amz-Client-Context`, base64 characters.
    pub client_context_bytes_max: usize,
    /// The INIT phase of an on-demand start.
    pub init_max: Duration,
    /// Invocations in flight of the whole account.
    pub account_concurrency_max: u32,
    /// Requests a second for each unit of concurrency; `None`: as many as come. AWS has 10.
    pub requests_per_unit: Option<u32>,
    /// Bytes a second of a streamed answer, once its first 6 MiB are through; `None`: as many as the caller takes. AWS has
    /// 2 MiB. Source: Lambda quotas.
    pub stream_bytes_per_second: Option<NonZero<u64>>,
    /// Processes and threads of one sandbox.
    pub sandbox_pids_max: u32,
    /// One log line, bytes: longer ones are cut in pieces. Source: CloudWatch Logs quotas.
    pub log_line_bytes_max: usize,
}

impl Limits {
    /// Wider ones, for those whose work does not fit into Lambda's: several times its sizes, still bounded.
    #[must_use]
    pub fn relaxed() -> Self {
        Self {
            sync_payload_bytes_max: 32 << 20,
            response_bytes_max: (32 << 20) + 100,
            request_bytes_max: 280 << 20,
            zip_bytes_max: 200 << 20,
            unzipped_bytes_max: 2 << 30,
            environment_bytes_max: 32 << 10,
            init_max: Duration::from_secs(60),
            ..Self::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sync_payload_bytes_max: 6_291_456,
            response_bytes_max: 6_291_556,
            request_bytes_max: 70_167_211,
            zip_bytes_max: 52_428_800,
            unzipped_bytes_max: 262_144_000,
            zip_entries_max: 100_000,
            image_bytes_max: 10 << 30,
            image_entries_max: 1_000_000,
            image_layers_max: 127,
            image_settings_bytes_max: 16_384,
            environment_bytes_max: 4_096,
            log_tail_bytes_max: 4_096,
            client_context_bytes_max: 3_583,
            init_max: Duration::from_secs(10),
            account_concurrency_max: 1_000,
            requests_per_unit: None,
            stream_bytes_per_second: None,
            sandbox_pids_max: 1_024,
            log_line_bytes_max: 262_118,
        }
    }
}
