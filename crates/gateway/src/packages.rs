//! Packages for download: what `Code.Location` leads to.

use crate::asked::Asked;
use crate::reply::{self, Reply};
use crate::{Gateway, refusals};
use http::header::HeaderValue;
use lacewing_access::Principal;
use lacewing_catalog::{CatalogError, FunctionView, Scope};
use lacewing_lambda_api::{ApiError, ErrorCode};
use lacewing_model::{AccountId, FunctionName, Region};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::time::Duration;

/// How long a link is good. Source: Lambda API, `FunctionCodeLocation`.
const VALID: Duration = Duration::from_secs(600);
pub(crate) const ZIP: HeaderValue = HeaderValue::from_static("application/zip");

impl Gateway {
    /// A signed URL on the endpoint that the client used, from which the package can be had.
    pub(crate) fn package_location(&self, asked: &Asked<'_>, view: &FunctionView) -> String {
        let version = &view.version;
        let hash = utf8_percent_encode(version.code_sha256.as_str(), NON_ALPHANUMERIC);
        let path = format!("/_lacewing/packages/{}/{}/{hash}", version.account, version.name);
        self.signed_location(asked, &path, &version.region)
    }

    /// A URL of ours that is good for a while without a key.
    pub(crate) fn signed_location(&self, asked: &Asked<'_>, path: &str, region: &Region) -> String {
        let link = self.inner.access.link(asked.host, path, region, VALID, asked.now);
        format!("{}://{}{link}", asked.scheme(), asked.host)
    }

    /// Lets pass who comes by such a URL, which is good for what it names whoever follows it, and who may do `action`.
    pub(crate) fn permit_package(&self, asked: &Asked<'_>, action: &str, resource: &str) -> Result<(), ApiError> {
        if asked.caller.principal == Principal::Link {
            return Ok(());
        }
        asked.permit_told(self, action, resource, &())
    }

    /// `GET /_lacewing/packages/ACCOUNT/NAME/HASH`.
    pub(crate) async fn package(&self, asked: &Asked<'_>, path: &str) -> Result<Reply, ApiError> {
        let gone =
            || ApiError::new(ErrorCode::ResourceNotFound, "The package is gone. Call GetFunction for a new link.");
        let mut parts = path.splitn(3, '/');
        let (Some(account), Some(name), Some(hash)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(gone());
        };
        let account: AccountId = account.parse().map_err(|_| gone())?;
        let name: FunctionName = name.parse().map_err(|_| gone())?;
        let hash = percent_decode_str(hash).decode_utf8().map_err(|_| gone())?;
        let scope = Scope { account, region: asked.region().clone() };
        self.permit_package(asked, "lambda:GetFunction", &scope.arn(&name, None).to_string())?;
        match self.inner.catalog.package(&scope, &name, &hash).await {
            Ok(package) => Ok(reply::bytes(200, ZIP, package.into())),
            Err(CatalogError::NotFound { .. }) => Err(gone()),
            Err(error) => Err(refusals::catalog(error)),
        }
    }
}
