//! Every operation of the Lambda API: one table, from which a request finds its operation.

use crate::Query;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

macro_rules! operations {
    ($($name:ident: $method:ident $path:literal $status:literal,)*) => {
        /// An operation of the Lambda API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum Operation {
            $($name,)*
        }

        impl Operation {
            /// All of them, in the order in which they are tried.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name, as in `lambda:NAME`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// Its method.
            #[must_use]
            pub fn method(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($method),)*
                }
            }

            /// Its path, `{X}` where a value stands.
            #[must_use]
            pub fn path(self) -> &'static str {
                match self {
                    $(Self::$name => $path,)*
                }
            }

            /// The status of its success.
            #[must_use]
            pub fn success(self) -> u16 {
                match self {
                    $(Self::$name => $status,)*
                }
            }
        }
    };
}

// The call that has to be quick is tried first, then paths that a query tells from a plain one.
// DeleteFunction is recorded with 204, though the model says 200.
operations! {
    Invoke: POST "/2015-03-31/functions/{F}/invocations" 200,
    GetLayerVersionByArn: GET "/2018-10-31/layers?find=LayerVersion" 200,
    ListProvisionedConcurrencyConfigs: GET "/2019-09-30/functions/{F}/provisioned-concurrency?List=ALL" 200,
    AddLayerVersionPermission: POST "/2018-10-31/layers/{L}/versions/{N}/policy" 201,
    AddPermission: POST "/2015-03-31/functions/{F}/policy" 201,
    CheckpointDurableExecution: POST "/2025-12-01/durable-executions/{Arn}/checkpoint" 200,
    CreateAlias: POST "/2015-03-31/functions/{F}/aliases" 201,
    CreateCapacityProvider: POST "/2025-11-30/capacity-providers" 202,
    CreateCodeSigningConfig: POST "/2020-04-22/code-signing-configs" 201,
    CreateEventSourceMapping: POST "/2015-03-31/event-source-mappings" 202,
    CreateFunction: POST "/2015-03-31/functions" 201,
    CreateFunctionUrlConfig: POST "/2021-10-31/functions/{F}/url" 201,
    DeleteAlias: DELETE "/2015-03-31/functions/{F}/aliases/{Name}" 204,
    DeleteCapacityProvider: DELETE "/2025-11-30/capacity-providers/{Name}" 202,
    DeleteCodeSigningConfig: DELETE "/2020-04-22/code-signing-configs/{Arn}" 204,
    DeleteDurableExecution: DELETE "/2025-12-01/durable-executions/{Arn}" 202,
    DeleteEventSourceMapping: DELETE "/2015-03-31/event-source-mappings/{UUID}" 202,
    DeleteFunction: DELETE "/2015-03-31/functions/{F}" 204,
    DeleteFunctionCodeSigningConfig: DELETE "/2020-06-30/functions/{F}/code-signing-config" 204,
    DeleteFunctionConcurrency: DELETE "/2017-10-31/functions/{F}/concurrency" 204,
    DeleteFunctionEventInvokeConfig: DELETE "/2019-09-25/functions/{F}/event-invoke-config" 204,
    DeleteFunctionUrlConfig: DELETE "/2021-10-31/functions/{F}/url" 204,
    DeleteLayerVersion: DELETE "/2018-10-31/layers/{L}/versions/{N}" 204,
    DeleteProvisionedConcurrencyConfig: DELETE "/2019-09-30/functions/{F}/provisioned-concurrency" 204,
    DeleteResourcePolicy: DELETE "/2026-07-09/resource-policy/{Arn}" 204,
    GetAccountSettings: GET "/2016-08-19/account-settings" 200,
    GetAlias: GET "/2015-03-31/functions/{F}/aliases/{Name}" 200,
    GetCapacityProvider: GET "/2025-11-30/capacity-providers/{Name}" 200,
    GetCodeSigningConfig: GET "/2020-04-22/code-signing-configs/{Arn}" 200,
    GetDurableExecution: GET "/2025-12-01/durable-executions/{Arn}" 200,
    GetDurableExecutionHistory: GET "/2025-12-01/durable-executions/{Arn}/history" 200,
    GetDurableExecutionState: GET "/2025-12-01/durable-executions/{Arn}/state" 200,
    GetEventSourceMapping: GET "/2015-03-31/event-source-mappings/{UUID}" 200,
    GetFunction: GET "/2015-03-31/functions/{F}" 200,
    GetFunctionCodeSigningConfig: GET "/2020-06-30/functions/{F}/code-signing-config" 200,
    GetFunctionConcurrency: GET "/2019-09-30/functions/{F}/concurrency" 200,
    GetFunctionConfiguration: GET "/2015-03-31/functions/{F}/configuration" 200,
    GetFunctionEventInvokeConfig: GET "/2019-09-25/functions/{F}/event-invoke-config" 200,
    GetFunctionRecursionConfig: GET "/2024-08-31/functions/{F}/recursion-config" 200,
    GetFunctionScalingConfig: GET "/2025-11-30/functions/{F}/function-scaling-config" 200,
    GetFunctionUrlConfig: GET "/2021-10-31/functions/{F}/url" 200,
    GetLayerVersion: GET "/2018-10-31/layers/{L}/versions/{N}" 200,
    GetLayerVersionPolicy: GET "/2018-10-31/layers/{L}/versions/{N}/policy" 200,
    GetPolicy: GET "/2015-03-31/functions/{F}/policy" 200,
    GetProvisionedConcurrencyConfig: GET "/2019-09-30/functions/{F}/provisioned-concurrency" 200,
    GetResourcePolicy: GET "/2026-07-09/resource-policy/{Arn}" 200,
    GetRuntimeManagementConfig: GET "/2021-07-20/functions/{F}/runtime-management-config" 200,
    InvokeAsync: POST "/2014-11-13/functions/{F}/invoke-async" 202,
    InvokeWithResponseStream: POST "/2021-11-15/functions/{F}/response-streaming-invocations" 200,
    ListAliases: GET "/2015-03-31/functions/{F}/aliases" 200,
    ListCapacityProviders: GET "/2025-11-30/capacity-providers" 200,
    ListCodeSigningConfigs: GET "/2020-04-22/code-signing-configs" 200,
    ListDurableExecutionsByFunction: GET "/2025-12-01/functions/{F}/durable-executions" 200,
    ListEventSourceMappings: GET "/2015-03-31/event-source-mappings" 200,
    ListFunctionEventInvokeConfigs: GET "/2019-09-25/functions/{F}/event-invoke-config/list" 200,
    ListFunctionUrlConfigs: GET "/2021-10-31/functions/{F}/urls" 200,
    ListFunctionVersionsByCapacityProvider: GET "/2025-11-30/capacity-providers/{Name}/function-versions" 200,
    ListFunctions: GET "/2015-03-31/functions" 200,
    ListFunctionsByCodeSigningConfig: GET "/2020-04-22/code-signing-configs/{Arn}/functions" 200,
    ListLayerVersions: GET "/2018-10-31/layers/{L}/versions" 200,
    ListLayers: GET "/2018-10-31/layers" 200,
    ListTags: GET "/2017-03-31/tags/{Resource}" 200,
    ListVersionsByFunction: GET "/2015-03-31/functions/{F}/versions" 200,
    PauseDurableExecution: POST "/2025-12-01/durable-executions/{Arn}/pause" 202,
    PublishLayerVersion: POST "/2018-10-31/layers/{L}/versions" 201,
    PublishVersion: POST "/2015-03-31/functions/{F}/versions" 201,
    PutFunctionCodeSigningConfig: PUT "/2020-06-30/functions/{F}/code-signing-config" 200,
    PutFunctionConcurrency: PUT "/2017-10-31/functions/{F}/concurrency" 200,
    PutFunctionEventInvokeConfig: PUT "/2019-09-25/functions/{F}/event-invoke-config" 200,
    PutFunctionRecursionConfig: PUT "/2024-08-31/functions/{F}/recursion-config" 200,
    PutFunctionScalingConfig: PUT "/2025-11-30/functions/{F}/function-scaling-config" 202,
    PutProvisionedConcurrencyConfig: PUT "/2019-09-30/functions/{F}/provisioned-concurrency" 202,
    PutResourcePolicy: PUT "/2026-07-09/resource-policy/{Arn}" 200,
    PutRuntimeManagementConfig: PUT "/2021-07-20/functions/{F}/runtime-management-config" 200,
    RemoveLayerVersionPermission: DELETE "/2018-10-31/layers/{L}/versions/{N}/policy/{Sid}" 204,
    RemovePermission: DELETE "/2015-03-31/functions/{F}/policy/{Sid}" 204,
    ResumeDurableExecution: POST "/2025-12-01/durable-executions/{Arn}/resume" 202,
    SendDurableExecutionCallbackFailure: POST "/2025-12-01/durable-execution-callbacks/{CallbackId}/fail" 200,
    SendDurableExecutionCallbackHeartbeat: POST "/2025-12-01/durable-execution-callbacks/{CallbackId}/heartbeat" 200,
    SendDurableExecutionCallbackSuccess: POST "/2025-12-01/durable-execution-callbacks/{CallbackId}/succeed" 200,
    StopDurableExecution: POST "/2025-12-01/durable-executions/{Arn}/stop" 200,
    TagResource: POST "/2017-03-31/tags/{Resource}" 204,
    UntagResource: DELETE "/2017-03-31/tags/{Resource}" 204,
    UpdateAlias: PUT "/2015-03-31/functions/{F}/aliases/{Name}" 200,
    UpdateCapacityProvider: PUT "/2025-11-30/capacity-providers/{Name}" 202,
    UpdateCodeSigningConfig: PUT "/2020-04-22/code-signing-configs/{Arn}" 200,
    UpdateEventSourceMapping: PUT "/2015-03-31/event-source-mappings/{UUID}" 202,
    UpdateFunctionCode: PUT "/2015-03-31/functions/{F}/code" 200,
    UpdateFunctionConfiguration: PUT "/2015-03-31/functions/{F}/configuration" 200,
    UpdateFunctionEventInvokeConfig: POST "/2019-09-25/functions/{F}/event-invoke-config" 200,
    UpdateFunctionUrlConfig: PUT "/2021-10-31/functions/{F}/url" 200,
}

/// Which operation a request asks for, and the values in its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route<'a> {
    /// The operation.
    pub operation: Operation,
    values: [Cow<'a, str>; 3],
}

impl<'a> Route<'a> {
    /// Finds the operation of a request. `path` is as sent: it is split first and decoded then, because an
    /// ARN in it carries encoded slashes and colons.
    #[must_use]
    pub fn of(method: &str, path: &'a str, query: &str) -> Option<Self> {
        Operation::ALL.iter().find_map(|operation| {
            if operation.method() != method {
                return None;
            }
            let (pattern, condition) = operation.path().split_once('?').unwrap_or((operation.path(), ""));
            let values = matched(pattern, path)?;
            let (key, value) = condition.split_once('=').unwrap_or_default();
            let fits = condition.is_empty() || Query::new(query).get(key).as_deref() == Some(value);
            fits.then_some(Self { operation: *operation, values })
        })
    }

    /// The first value of the path: the function, layer, ARN or id.
    #[must_use]
    pub fn first(&self) -> &str {
        &self.values[0]
    }

    /// The second value of the path.
    #[must_use]
    pub fn second(&self) -> &str {
        &self.values[1]
    }

    /// The third value of the path.
    #[must_use]
    pub fn third(&self) -> &str {
        &self.values[2]
    }
}

/// The decoded values, if `path` is of the pattern. One slash at the end changes nothing.
fn matched<'a>(pattern: &str, path: &'a str) -> Option<[Cow<'a, str>; 3]> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut values: [Cow<'a, str>; 3] = Default::default();
    let mut count = 0;
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(values),
            (Some(want), Some(part)) if want.starts_with('{') => {
                // A signature holds for the path with its dots resolved, so dots must not mean anything here.
                if matches!(part, "" | "." | "..") {
                    return None;
                }
                *values.get_mut(count)? = percent_decode_str(part).decode_utf8().ok()?;
                count += 1;
            }
            (Some(want), Some(part)) if want == part => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_the_whole_api() {
        assert_eq!(Operation::ALL.len(), 91);
    }

    #[test]
    fn every_operation_is_found_by_its_own_path() {
        for operation in Operation::ALL {
            let (path, query) = operation.path().split_once('?').unwrap_or((operation.path(), ""));
            let path: String = path
                .split('/')
                .map(|p| {
                    if p.starts_with('{') { "/v" } else { "/" }.to_owned() + if p.starts_with('{') { "" } else { p }
                })
                .collect();
            let path = path.strip_prefix('/').unwrap();
            let route = Route::of(operation.method(), path, query).unwrap();
            assert_eq!(route.operation, *operation, "{path}?{query}");
        }
    }

    #[test]
    fn values_are_decoded_after_the_path_is_split() {
        let find = |method, path| Route::of(method, path, "").map(|route| (route.operation, route.first().to_owned()));
        let path = "/2015-03-31/functions/arn%3Aaws%3Alambda%3Ar%3A1%3Afunction%3Aa%2Fb/invocations";
        assert_eq!(find("POST", path), Some((Operation::Invoke, "arn:aws:lambda:r:1:function:a/b".into())));
        assert_eq!(find("GET", "/2015-03-31/functions/"), Some((Operation::ListFunctions, String::new())));
        for path in
            ["/", "", "/2015-03-31", "/2015-03-31/functions/../x/invocations", "/2015-03-31/functions//invocations"]
        {
            assert_eq!(find("POST", path), None, "{path}");
        }
        assert_eq!(find("PATCH", "/2015-03-31/functions"), None);
    }
}
