//! Requests that carry code, from JSON to what the catalog takes. Pure, so that large ones can be read on a
//! thread where computing is allowed.

use crate::functions::{BASE64, invalid};
use crate::settings::{ARN_PATTERN, managed_instances};
use crate::settings::{architecture, change, check_model, is_arn_or_empty, revision};
use base64::Engine as _;
use bytes::Bytes;
use lacewing_catalog::{Code, CodeChange, CodeKind, ConfigChange};
use lacewing_lambda_api::{
    ApiError, CreateFunctionRequest, ErrorCode, FunctionCode, FunctionReference, FunctionSettings, ImageConfig,
    ReferenceForm, TenancyConfig, UpdateFunctionCodeRequest, Violations, check_code_signing_arn, parse,
};
use lacewing_model::{
    Architecture, Egress, FunctionConfig, FunctionName, Handler, Limits, LogFormat, Runtime, Tenancy,
};
use std::collections::BTreeMap;

/// The tag that sets what a function may reach over the network.
const EGRESS_TAG: &str = "lacewing:egress";

/// A `CreateFunction` that the model and the service accept, but for its name.
#[derive(Debug)]
pub(crate) struct NewFunctionParts {
    pub(crate) reference: String,
    pub(crate) change: ConfigChange,
    pub(crate) architecture: Option<Architecture>,
    pub(crate) tenancy: Tenancy,
    pub(crate) code: CodeSource,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) publish: bool,
    pub(crate) egress: Egress,
    /// The code signing configuration that it is given.
    pub(crate) code_signing: Option<String>,
    pub(crate) source_kms_key: Option<String>,
}

pub(crate) fn read_create(body: &[u8], limits: &Limits) -> Result<NewFunctionParts, ApiError> {
    let request: CreateFunctionRequest<'_> = parse(body)?;
    let settings: FunctionSettings = parse(body)?;
    let mut violations = Violations::default();
    let name = request.function_name.unwrap_or_default();
    let reference = if name.is_empty() {
        violations.null("functionName");
        FunctionReference::default()
    } else {
        FunctionReference::parse(&name, ReferenceForm::Short, &mut violations)
    };
    if settings.role.is_none() {
        violations.null("role");
    }
    match &request.code {
        None => violations.null("code"),
        Some(code) => check_code(code, "code.", &mut violations),
    }
    check_model(&settings, &mut violations);
    let architecture = architecture(request.architectures.as_deref(), &mut violations);
    if let Some(package_type) = request.package_type.as_deref() {
        violations.one_of(package_type, "packageType", &["Zip", "Image"]);
    }
    let tenancy = tenancy(request.tenancy_config.as_ref(), &mut violations);
    let tags = request.tags.unwrap_or_default();
    check_tags(&tags, &mut violations);
    violations.finish()?;
    // Recorded as InvalidParameterValue, unlike every other violation of the model.
    let mut too_long = Violations::default();
    too_long.length(reference.name, "functionName", 1, 64);
    if let Some(text) = too_long.text() {
        return Err(invalid(text));
    }
    if reference.qualifier.is_some() {
        return Err(invalid("A function is created without a version or alias: leave it out of FunctionName."));
    }
    refuse_publishing(request.publish_to.as_deref())?;
    let code_signing = request.code_signing_config_arn.filter(|arn| !arn.is_empty());
    if let Some(arn) = &code_signing {
        let mut violations = Violations::default();
        check_code_signing_arn(arn, &mut violations);
        violations.finish()?;
    }
    let is_image = request.package_type.as_deref() == Some("Image");
    if is_image {
        refuse_with_image(&settings)?;
    } else if settings.image_config.as_ref().is_some_and(|config| *config != ImageConfig::default()) {
        return Err(invalid("ImageConfig is for functions with packageType Image only: leave it out."));
    } else if settings.runtime.is_none() || settings.handler.is_none() {
        let text = "Runtime and Handler are mandatory parameters for functions created with deployment packages.";
        return Err(invalid(text));
    }
    if tags.len() > 50 {
        return Err(invalid("Number of tags exceeds resource tag limit."));
    }
    let egress = egress_of(&tags)?;
    let change = change(settings, limits)?;
    let mut code = request.code.unwrap_or_default();
    let source_kms_key = code.source_kms_key_arn.take().filter(|key| !key.is_empty());
    let code = match is_image {
        true => image_of(code, source_kms_key.is_some())?,
        false => source_of(code, "creating", limits)?,
    };
    Ok(NewFunctionParts {
        reference: name,
        change,
        architecture,
        tenancy,
        code,
        tags,
        publish: request.publish.unwrap_or_default(),
        egress,
        code_signing,
        source_kms_key,
    })
}

/// An `UpdateFunctionCode`, and where its code is, if it brings any.
pub(crate) fn read_code_change(body: &[u8], limits: &Limits) -> Result<(CodeChange, Option<CodeSource>), ApiError> {
    let request: UpdateFunctionCodeRequest = parse(body)?;
    let mut code: FunctionCode<'_> = parse(body)?;
    let mut violations = Violations::default();
    let architecture = architecture(request.architectures.as_deref(), &mut violations);
    check_code(&code, "", &mut violations);
    violations.finish()?;
    refuse_publishing(request.publish_to.as_deref())?;
    let source_kms_key = code.source_kms_key_arn.take().filter(|key| !key.is_empty());
    let is_image = code.image_uri.as_ref().is_some_and(|uri| !uri.is_empty());
    let is_nothing = code.zip_file.is_none() && code.s3_bucket.is_none() && code.s3_key.is_none();
    // What is to be said of no code at all depends on the function.
    let source = match (is_image, is_nothing) {
        (true, _) => Some(image_of(code, source_kms_key.is_some())?),
        (false, true) => None,
        (false, false) => Some(source_of(code, "updating", limits)?),
    };
    let change = CodeChange {
        code: Code::Zip(Bytes::new()),
        source_kms_key,
        architecture,
        dry_run: request.dry_run.unwrap_or_default(),
        revision: request.revision_id.as_deref().map(revision).transpose()?,
        publish: request.publish.unwrap_or_default(),
    };
    Ok((change, source))
}

fn tenancy(config: Option<&TenancyConfig>, violations: &mut Violations) -> Tenancy {
    match config.map(|config| config.tenant_isolation_mode.as_deref()) {
        None => return Tenancy::Shared,
        Some(Some("PER_TENANT")) => {}
        Some(Some(other)) => violations.one_of(other, "tenancyConfig.tenantIsolationMode", &["PER_TENANT"]),
        Some(None) => violations.null("tenancyConfig.tenantIsolationMode"),
    }
    Tenancy::PerTenant
}

pub(crate) fn refuse_publishing(publish_to: Option<&str>) -> Result<(), ApiError> {
    match publish_to {
        None | Some("") => Ok(()),
        Some(_) => Err(managed_instances("PublishTo")),
    }
}

/// Where a package is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CodeSource {
    /// In the request.
    Sent(Bytes),
    /// In an object store; copied from there, unless it `stays`.
    Object { bucket: String, key: String, version: Option<String>, stays: bool },
    /// An image of this name.
    Image(String),
}

impl CodeSource {
    pub(crate) fn kind(source: Option<&Self>) -> CodeKind {
        match source {
            None => CodeKind::Nothing,
            Some(Self::Image(_)) => CodeKind::Image,
            Some(Self::Sent(_) | Self::Object { .. }) => CodeKind::Zip,
        }
    }
}

/// Notes what the model refuses of where code is. Source: Lambda service model.
pub(crate) fn check_code(code: &FunctionCode<'_>, at: &str, violations: &mut Violations) {
    if let Some(bucket) = code.s3_bucket.as_deref() {
        let path = format!("{at}s3Bucket");
        violations.length(bucket, &path, 3, 63);
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if !bucket.bytes().all(fits) || bucket.ends_with('.') {
            violations.pattern(bucket, &path, r"[0-9A-Za-z\.\-_]*(?<!\.)");
        }
    }
    for (text, name) in [(&code.s3_key, "s3Key"), (&code.s3_object_version, "s3ObjectVersion")] {
        if let Some(text) = text {
            violations.length(text, &format!("{at}{name}"), 1, 1_024);
        }
    }
    if let Some(mode) = code.s3_object_storage_mode.as_deref() {
        violations.one_of(mode, &format!("{at}s3ObjectStorageMode"), &["COPY", "REFERENCE"]);
    }
    if let Some(key) = code.source_kms_key_arn.as_deref().filter(|key| !is_arn_or_empty(key)) {
        violations.pattern(key, &format!("{at}sourceKMSKeyArn"), ARN_PATTERN);
    }
}

/// Refuses what an image brings itself, or cannot have.
fn refuse_with_image(settings: &FunctionSettings) -> Result<(), ApiError> {
    let has_layers = settings.layers.as_ref().is_some_and(|layers| !layers.is_empty());
    if settings.runtime.is_some() || settings.handler.is_some() || has_layers {
        return Err(invalid(
            "Please don't provide Handler or Runtime or Layer when the intent is to create a function with \
             packageType Image.",
        ));
    }
    let snap_start = settings.snap_start.as_ref().and_then(|snap_start| snap_start.apply_on.as_deref());
    if snap_start == Some("PublishedVersions") {
        return Err(invalid("SnapStart is not supported for functions with packageType Image: leave it out."));
    }
    Ok(())
}

/// The name of an image, where that is the code.
fn image_of(code: FunctionCode<'_>, has_key: bool) -> Result<CodeSource, ApiError> {
    if code.zip_file.is_some() || code.s3_bucket.is_some() || code.s3_key.is_some() {
        return Err(invalid("Please provide either ImageUri, or ZipFile, or S3Bucket and S3Key."));
    }
    if has_key || code.s3_object_storage_mode.is_some_and(|mode| mode == "REFERENCE") {
        let text =
            "SourceKMSKeyArn and S3ObjectStorageMode are for functions with packageType Zip only: leave them out.";
        return Err(invalid(text));
    }
    match code.image_uri.filter(|uri| !uri.is_empty()) {
        Some(uri) => Ok(CodeSource::Image(uri)),
        None => Err(invalid("Please provide ImageUri when creating a function with packageType Image.")),
    }
}

/// The package, as far as the request holds it.
pub(crate) fn source_of(code: FunctionCode<'_>, doing: &str, limits: &Limits) -> Result<CodeSource, ApiError> {
    if code.image_uri.is_some_and(|uri| !uri.is_empty()) {
        return Err(invalid(format!("Please don't provide ImageUri when {doing} a function with packageType Zip.")));
    }
    let stays = code.s3_object_storage_mode.is_some_and(|mode| mode == "REFERENCE");
    match (code.s3_bucket, code.s3_key) {
        (Some(bucket), Some(key)) => {
            return Ok(CodeSource::Object { bucket, key, version: code.s3_object_version, stays });
        }
        (None, None) if stays => {
            let text = "S3ObjectStorageMode REFERENCE is for code in S3: give S3Bucket and S3Key, or leave it out.";
            return Err(invalid(text));
        }
        (None, None) => {}
        _ => return Err(invalid("Please provide both S3Bucket and S3Key, or ZipFile.")),
    }
    let Some(text) = code.zip_file else { return Err(invalid("Please provide a source for function code.")) };
    let too_large = || {
        let text = format!("Zipped size must be smaller than {} bytes", limits.zip_bytes_max);
        Err(ApiError::new(ErrorCode::RequestTooLarge, text))
    };
    // Four characters stand for three bytes; the last group may be short.
    if (text.0.len() as u64).saturating_mul(3) / 4 > limits.zip_bytes_max + 3 {
        return too_large();
    }
    match BASE64.decode(text.0.as_bytes()) {
        Ok(zip) if zip.len() as u64 > limits.zip_bytes_max => too_large(),
        Ok(zip) => Ok(CodeSource::Sent(zip.into())),
        Err(error) => Err(ApiError::new(ErrorCode::Serialization, format!("ZipFile is not base64: {error}"))),
    }
}

pub(crate) fn check_tags(tags: &BTreeMap<String, String>, violations: &mut Violations) {
    let words = |max: usize| {
        format!(
            "[Member must have length less than or equal to {max}, Member must have length greater than or equal to \
             {}]",
            usize::from(max == 128)
        )
    };
    if tags.keys().any(|key| key.is_empty() || key.chars().count() > 128) {
        violations.add_members(None, "tags", format!("Map keys must satisfy constraint: {}", words(128)));
    }
    if tags.values().any(|value| value.chars().count() > 256) {
        violations.add_members(None, "tags", format!("Map value must satisfy constraint: {}", words(256)));
    }
}

pub(crate) fn egress_of(tags: &BTreeMap<String, String>) -> Result<Egress, ApiError> {
    match tags.get(EGRESS_TAG).map(String::as_str) {
        None | Some("internet") => Ok(Egress::Internet),
        Some("none") => Ok(Egress::None),
        Some(other) => Err(invalid(format!("The tag {EGRESS_TAG} must be 'internet' or 'none', not '{other}'."))),
    }
}

/// The configuration of a new function: what was given, and AWS's defaults for the rest.
pub(crate) fn config_of(
    name: &FunctionName,
    change: ConfigChange,
    architecture: Option<Architecture>,
    egress: Egress,
    is_image: bool,
) -> Result<FunctionConfig, ApiError> {
    let (runtime, handler) = match is_image {
        true => (Some(Runtime::of_image()), Some(Handler::of_image())),
        false => (change.runtime.clone(), change.handler.clone()),
    };
    let (Some(runtime), Some(handler), Some(role)) = (runtime, handler, change.role.clone()) else {
        return Err(invalid("Runtime, Handler and Role must be given."));
    };
    let no_levels = change.logging.as_ref().is_none_or(|logging| {
        logging.format == Some(LogFormat::Json)
            || (logging.application_level.is_none() && logging.system_level.is_none())
    });
    if !no_levels {
        return Err(invalid("Log levels are for the log format JSON only: set LogFormat to JSON."));
    }
    let defaults = FunctionConfig {
        architecture: architecture.unwrap_or_default(),
        egress,
        ..FunctionConfig::new(name, runtime, handler, role)
    };
    Ok(change.apply(defaults))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws:iam::000000000000:role/r";

    fn create(fields: &str) -> Result<FunctionConfig, String> {
        let read = read_create(fields.as_bytes(), &Limits { zip_bytes_max: 8, ..Limits::default() });
        let config = read.and_then(|new| {
            let name = new.reference.parse().unwrap();
            config_of(&name, new.change, new.architecture, new.egress, matches!(new.code, CodeSource::Image(_)))
        });
        config.map_err(|error| format!("{} {} {}", error.code.status(), error.code.name(), error.message))
    }

    #[test]
    fn a_new_function_has_aws_defaults() {
        let config = create(&format!(
            r#"{{"FunctionName":"f","Role":"{ROLE}","Runtime":"python3.13","Handler":"a.b","Code":{{"ZipFile":"UEs="}},
                "Tags":{{"lacewing:egress":"none"}}}}"#
        ))
        .unwrap();
        assert_eq!((config.timeout.get(), config.memory.get(), config.ephemeral.get()), (3, 128, 512));
        assert_eq!(config.logging.group, "/aws/lambda/f");
        assert_eq!((config.architecture, config.egress), (Architecture::X86, Egress::None));
    }

    #[test]
    fn what_cannot_be_created_is_refused_in_aws_words() {
        let long = "x".repeat(65);
        let with = |more: &str| {
            format!(r#"{{"FunctionName":"f","Role":"{ROLE}","Runtime":"python3.13","Handler":"a.b",{more}}}"#)
        };
        let mut shown = String::new();
        for body in [
            "{}".to_owned(),
            format!(r#"{{"FunctionName":"a b","Role":"{ROLE}","Code":{{}}}}"#),
            format!(r#"{{"FunctionName":"{long}","Role":"{ROLE}","Code":{{}}}}"#),
            format!(r#"{{"FunctionName":"f:1","Role":"{ROLE}","Code":{{}}}}"#),
            format!(r#"{{"FunctionName":"f","Role":"{ROLE}","Code":{{}}}}"#),
            with(r#""Code":{}"#),
            with(r#""Code":{"S3Bucket":"code"}"#),
            with(r#""Code":{"S3Bucket":"b.","S3Key":"","S3ObjectStorageMode":"MOVE","SourceKMSKeyArn":"k"}"#),
            with(r#""Code":{"ZipFile":"UEs=","S3ObjectStorageMode":"REFERENCE"}"#),
            with(r#""Code":{"ZipFile":"UEs="},"PublishTo":"LATEST_PUBLISHED""#),
            with(r#""Code":{"ImageUri":"i"},"PackageType":"Image""#),
            format!(r#"{{"FunctionName":"f","Role":"{ROLE}","Code":{{}},"PackageType":"Image"}}"#),
            format!(
                r#"{{"FunctionName":"f","Role":"{ROLE}","Code":{{"ImageUri":"i","ZipFile":"UEs="}},"PackageType":"Image"}}"#
            ),
            with(r#""Code":{"ZipFile":"UEs="},"ImageConfig":{"Command":["x"]}"#),
            with(r#""Code":{"ZipFile":"UEs="},"ImageConfig":{"WorkingDirectory":"a\u0000b"}"#),
            with(r#""Code":{"ImageUri":"i"}"#),
            with(r#""Code":{"ZipFile":"!!"}"#),
            with(r#""Code":{"ZipFile":"AAAAAAAAAAAAAAAAAAAA"}"#),
            with(r#""Code":{"ZipFile":"UEs="},"Tags":{"lacewing:egress":"some"}"#),
            with(r#""Code":{"ZipFile":"UEs="},"PackageType":"Tar","Architectures":["a","b"]"#),
            with(r#""Code":{"ZipFile":"UEs="},"LoggingConfig":{"SystemLogLevel":"WARN"}"#),
            with(r#""Code":{"ZipFile":"UEs="},"TenancyConfig":{"TenantIsolationMode":"PER_USER"}"#),
            with(r#""Code":{"ZipFile":"UEs="},"TenancyConfig":{}"#),
        ] {
            shown += &format!("{}\n", create(&body).unwrap_err().replace(&long, "x{65}"));
        }
        insta::assert_snapshot!(shown);
    }
}
