//! The same program as an extension, on AWS's own crate for them: says what it is told.

use lambda_extension::{
    Error, Extension, LambdaEvent, LambdaTelemetry, LogBuffering, NextEvent, SharedService, service_fn,
};

/// Serves until it is told to end.
pub(crate) async fn run() -> Result<(), Error> {
    let buffering = LogBuffering { timeout_ms: 25, max_bytes: 262_144, max_items: 1_000 };
    Extension::new()
        .with_events_processor(service_fn(hear))
        .with_telemetry_types(&["platform", "function", "extension"])
        .with_telemetry_buffering(buffering)
        .with_telemetry_processor(SharedService::new(service_fn(take)))
        .run()
        .await
}

#[allow(clippy::print_stdout)]
async fn hear(event: LambdaEvent) -> Result<(), Error> {
    match event.next {
        NextEvent::Invoke(invoke) => println!("HEARD INVOKE {}", invoke.request_id),
        NextEvent::Shutdown(shutdown) => {
            println!("HEARD SHUTDOWN {}", shutdown.shutdown_reason);
            std::process::exit(0);
        }
    }
    Ok(())
}

/// One line for all that came: a line for each would be told as telemetry again, for ever.
async fn take(events: Vec<LambdaTelemetry>) -> Result<(), Error> {
    let lines = events.iter().map(|event| serde_json::to_string(&event.record)).collect::<Result<Vec<_>, _>>()?;
    let mut kept = std::fs::OpenOptions::new().create(true).append(true).open("/tmp/taken")?;
    std::io::Write::write_all(&mut kept, (lines.join("\n") + "\n").as_bytes())?;
    Ok(())
}
