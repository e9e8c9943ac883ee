//! What a web function finds in its environment in place of what a handler does.

use lacewing_model::{WEB_PORT, WebSettings};

/// Variables by which applications recognise that they are handlers, and then start no server.
/// Source: AWS's web functions have none of them.
const OF_HANDLERS: [&str; 7] = [
    "_HANDLER",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
];

/// Before the user's own variables.
pub(super) fn adapt(all: &mut Vec<(String, String)>) {
    all.retain(|(key, _)| !OF_HANDLERS.contains(&key.as_str()));
    for (key, value) in [
        ("PATH", "/var/lang/bin:/var/task/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin"),
        // What the bootstraps do for handlers: packages beside the code and in layers.
        ("PYTHONPATH", "/var/task:/opt/python"),
        // A line is to reach the log when it is written, not when a buffer is full.
        ("PYTHONUNBUFFERED", "1"),
        // The one place that can be written.
        ("HOME", "/tmp"),
    ] {
        all.retain(|(known, _)| known != key);
        all.push((key.to_owned(), value.to_owned()));
    }
}

/// After them: where to listen. Source: AWS's web functions, `AWS_LAMBDA_HTTP_ENDPOINT`.
pub(super) fn tell(web: &WebSettings<'_>, all: &mut Vec<(String, String)>) {
    for (key, value) in
        [(WEB_PORT, web.port.to_string()), ("AWS_LAMBDA_HTTP_ENDPOINT", format!("0.0.0.0:{}", web.port))]
    {
        all.retain(|(known, _)| known != key);
        all.push((key.to_owned(), value));
    }
}
