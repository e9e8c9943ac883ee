//! What a function that isolates its tenants cannot have beside.

use crate::CatalogError;
use lacewing_model::{FunctionConfig, SnapStart, Tenancy};

/// Refuses, for a function that isolates its tenants, what would run its code ahead of a tenant's call, or brings calls
/// that name none. Source: Lambda documentation, "Tenant isolation"; the words are those of AWS's CDK.
///
/// # Errors
/// [`CatalogError::Invalid`], where the function isolates its tenants.
pub fn refuse_with_tenants(config: &FunctionConfig, what: &str) -> Result<(), CatalogError> {
    match config.tenancy {
        Tenancy::Shared => Ok(()),
        Tenancy::PerTenant => {
            Err(CatalogError::Invalid(format!("{what} is not supported for functions with tenant isolation mode")))
        }
    }
}

/// Checks what a function's own settings may say together.
pub(crate) fn check_tenancy(config: &FunctionConfig) -> Result<(), CatalogError> {
    match config.snap_start {
        SnapStart::None => Ok(()),
        SnapStart::PublishedVersions => refuse_with_tenants(config, "SnapStart"),
    }
}
