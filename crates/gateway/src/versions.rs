//! Operations on published versions.

use crate::answer::ok;
use crate::asked::{Asked, Target};
use crate::paging::{marker, max_items, next_marker};
use crate::reply::Reply;
use crate::requests::refuse_publishing;
use crate::settings::revision;
use crate::told::Told;
use crate::{Gateway, configuration, refusals};
use bytes::Bytes;
use lacewing_catalog::{FunctionView, Page, Publication};
use lacewing_lambda_api::{
    ApiError, ListFunctionsReply, ListVersionsReply, PublishVersionRequest, ReferenceForm, Violations, parse,
};
use lacewing_model::{FunctionName, VersionNumber};
use std::fmt;
use std::str::FromStr;

impl Gateway {
    pub(crate) async fn publish_version(
        &self,
        asked: &Asked<'_>,
        function: &str,
        body: Bytes,
    ) -> Result<Reply, ApiError> {
        let Target { scope, name, .. } = self.latest(asked, function, "lambda:PublishVersion", &Told::new())?;
        let request: PublishVersionRequest = parse(&body)?;
        let mut violations = Violations::default();
        if let Some(description) = request.description.as_deref() {
            violations.length(description, "description", 0, 256);
        }
        violations.finish()?;
        refuse_publishing(request.publish_to.as_deref())?;
        let publication = Publication {
            code_sha256: request.code_sha256.filter(|hash| !hash.is_empty()),
            revision: request.revision_id.as_deref().map(revision).transpose()?,
            description: request.description.filter(|text| !text.is_empty()),
        };
        let published = self.inner.catalog.publish(&scope, &name, publication).await;
        Ok(ok(201, &configuration::changed(&published.map_err(refusals::catalog)?)))
    }

    pub(crate) fn list_versions(&self, asked: &Asked<'_>, function: &str) -> Result<Reply, ApiError> {
        let action = "lambda:ListVersionsByFunction";
        let target = asked.target(self, function, ReferenceForm::Namespaced, action)?;
        let mut violations = Violations::default();
        let max = max_items(asked, 10_000, &mut violations);
        violations.finish()?;
        let after = marker::<Place>(asked)?.map(|Place(_, number)| number);
        let page = self.inner.catalog.versions(&target.scope, &target.name, after, max);
        let page = page.map_err(refusals::catalog)?;
        let versions = page.items.iter().map(configuration::listed).collect();
        Ok(ok(200, &ListVersionsReply { versions, next_marker: next_place(&page) }))
    }

    /// `ListFunctions` with every version of each.
    pub(crate) fn list_all_versions(&self, asked: &Asked<'_>, max: usize) -> Result<Reply, ApiError> {
        let after = marker::<Place>(asked)?.map(|Place(name, number)| (name, number));
        let page = self.inner.catalog.list_versions(&asked.scope(), after.as_ref(), max);
        let functions = page.items.iter().map(configuration::listed).collect();
        Ok(ok(200, &ListFunctionsReply { functions, next_marker: next_place(&page) }))
    }
}

fn next_place(page: &Page<FunctionView>) -> Option<String> {
    let last = page.items.last().filter(|_| page.more)?;
    Some(next_marker(Place(last.version.name.clone(), last.version.number)))
}

/// A version's place in a listing, written `NAME:NUMBER`.
struct Place(FunctionName, VersionNumber);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0, self.1)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (name, number) = text.split_once(':').ok_or(())?;
        let number = match number {
            "$LATEST" => VersionNumber::Latest,
            number => VersionNumber::Published(number.parse().map_err(drop)?),
        };
        Ok(Self(name.parse().map_err(drop)?, number))
    }
}
