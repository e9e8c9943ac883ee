//! What a verified caller may do, until policies come.

use crate::{Access, AccessError, Caller, Principal};

impl Access {
    /// Says whether `caller` may do `action` (`lambda:InvokeFunction`) to `resource` (an ARN, or `*`).
    ///
    /// A root key may do everything in its account. A function's role may call functions, read about
    /// functions and read logs, in its own account.
    ///
    /// # Errors
    /// [`AccessError::Denied`].
    pub fn allows(&self, caller: &Caller, action: &str, resource: &str) -> Result<(), AccessError> {
        let own = resource == "*" || resource.split(':').nth(4) == Some(caller.account.as_str());
        let fine = match caller.principal {
            Principal::Root => true,
            Principal::Function { .. } => role_allows(action),
            Principal::Link => false,
        };
        if own && fine {
            return Ok(());
        }
        Err(AccessError::Denied { user: caller.arn(), action: action.to_owned(), resource: resource.to_owned() })
    }
}

fn role_allows(action: &str) -> bool {
    match action.split_once(':') {
        Some(("lambda", verb)) => verb == "InvokeFunction" || verb.starts_with("Get") || verb.starts_with("List"),
        Some(("logs", verb)) => ["Get", "Describe", "Filter"].iter().any(|start| verb.starts_with(start)),
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::AccessOptions;

    #[test]
    fn callers_keep_to_their_account_and_their_actions() {
        let account: lacewing_model::AccountId = "123456789012".parse().unwrap();
        let access = Access::new(AccessOptions {
            account: account.clone(),
            strict_region: None,
            root_keys: Vec::new(),
            metrics_token: None,
        });
        let role = "arn:aws:iam::123456789012:role/x".parse().unwrap();
        let function = Principal::Function { role, function: "f".parse().unwrap() };
        let own = "arn:aws:lambda:us-east-1:123456789012:function:g";
        let foreign = "arn:aws:lambda:us-east-1:999999999999:function:g";
        for (principal, action, resource, want) in [
            (&Principal::Root, "lambda:DeleteFunction", own, true),
            (&Principal::Root, "lambda:DeleteFunction", foreign, false),
            (&Principal::Root, "lambda:ListFunctions", "*", true),
            (&function, "lambda:InvokeFunction", own, true),
            (&function, "lambda:GetFunction", own, true),
            (&function, "logs:FilterLogEvents", "*", true),
            (&function, "lambda:UpdateFunctionCode", own, false),
            (&function, "lambda:InvokeFunction", foreign, false),
            (&Principal::Link, "lambda:GetFunction", own, false),
        ] {
            let caller = Caller {
                account: account.clone(),
                region: "us-east-1".parse().unwrap(),
                principal: principal.clone(),
                service: "lambda",
            };
            assert_eq!(access.allows(&caller, action, resource).is_ok(), want, "{principal:?} {action} {resource}");
        }
    }
}
