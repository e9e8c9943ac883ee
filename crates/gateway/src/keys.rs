//! Access keys, by our own words: what IAM has no words for is an account that has no key yet. For root keys only: one
//! of the server's own account speaks for every account, another for its own.

use crate::answer::{blocking, ok};
use crate::asked::Asked;
use crate::iam::date;
use crate::reply::{self, Reply};
use crate::{Gateway, refusals};
use bytes::Bytes;
use lacewing_access::{IdentityError, KeyRecord, Principal};
use lacewing_lambda_api::{ApiError, CreateKeyRequest, ErrorCode, KeyReply, KeysReply, parse};
use lacewing_model::AccountId;
use serde_json::Value;

impl Gateway {
    /// `POST /_lacewing/keys`.
    pub(crate) async fn create_key(&self, asked: &Asked<'_>, body: Bytes) -> Result<Reply, ApiError> {
        let CreateKeyRequest { account, user, policy } = parse(&body)?;
        let account: AccountId = account.parse().map_err(|error| invalid(&error))?;
        self.permit_keys_of(asked, &account)?;
        let policy = policy.map(|document| match document {
            Value::String(text) => text,
            other => other.to_string(),
        });
        let (access, now) = (self.inner.access.clone(), asked.now);
        blocking(move || {
            let issued = access.issue_key(&account, user.as_deref(), policy.as_deref(), now);
            let (key, secret) = issued.map_err(|error| refused(&error))?;
            Ok(ok(201, &KeyReply { secret_access_key: Some(secret), ..shown(&account, key) }))
        })
        .await
    }

    /// `GET /_lacewing/keys`: those that the caller may make.
    pub(crate) fn list_keys(&self, asked: &Asked<'_>) -> Result<Reply, ApiError> {
        self.permit_keys_of(asked, &asked.caller.account)?;
        let all = self.inner.access.all_keys().into_iter();
        let mine = all.filter(|(account, _)| self.permit_keys_of(asked, account).is_ok());
        Ok(ok(200, &KeysReply { keys: mine.map(|(account, key)| shown(&account, key)).collect() }))
    }

    /// `DELETE /_lacewing/keys/ID`.
    pub(crate) async fn delete_key(&self, asked: &Asked<'_>, id: &str) -> Result<Reply, ApiError> {
        let found = self.inner.access.all_keys().into_iter().find(|(_, key)| key.id == id);
        // Whose it is, is nobody's business who may not remove it.
        let found = found.filter(|(account, _)| self.permit_keys_of(asked, account).is_ok());
        let Some((account, key)) = found else {
            self.permit_keys_of(asked, &asked.caller.account)?;
            let text =
                format!("The Access Key with id {id:.128} cannot be found. `lacewing key ls` shows those there are.");
            return Err(ApiError::new(ErrorCode::ResourceNotFound, text));
        };
        let access = self.inner.access.clone();
        blocking(move || access.revoke_key(&account, &key.id).map_err(|error| refused(&error))).await?;
        Ok(reply::empty(204))
    }

    fn permit_keys_of(&self, asked: &Asked<'_>, account: &AccountId) -> Result<(), ApiError> {
        let caller = asked.caller;
        let over = caller.account == self.inner.account || caller.account == *account;
        if caller.principal == Principal::Root && over {
            return Ok(());
        }
        let text = format!(
            "User: {} may not manage keys of account {account}: only a root key of that account or of the server's own \
             may.",
            caller.arn()
        );
        Err(ApiError::new(ErrorCode::AccessDenied, text))
    }
}

fn shown(account: &AccountId, key: KeyRecord) -> KeyReply {
    KeyReply {
        access_key_id: key.id,
        secret_access_key: None,
        account: account.to_string(),
        user: key.user,
        active: key.active,
        created: date(key.created_ms),
    }
}

/// The names of errors that our own endpoints use.
fn refused(error: &IdentityError) -> ApiError {
    let code = match error {
        IdentityError::NotFound(_) => ErrorCode::ResourceNotFound,
        IdentityError::Exists(_) | IdentityError::InUse(_) | IdentityError::Limit(_) => ErrorCode::ResourceConflict,
        IdentityError::Malformed(_) | IdentityError::Invalid(_) | IdentityError::PackedTooLarge(_) => {
            ErrorCode::InvalidParameterValue
        }
        IdentityError::Store(_) => return refusals::identity(error),
    };
    ApiError::new(code, error.to_string())
}

fn invalid(error: &lacewing_model::Invalid) -> ApiError {
    ApiError::new(ErrorCode::InvalidParameterValue, error.to_string())
}
