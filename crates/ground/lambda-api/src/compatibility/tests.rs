//! What the table claims is held to the types that requests are read with.

use super::*;
use crate::{
    AddLayerVersionPermissionRequest, AddPermissionRequest, AliasRequest, CapacityProviderSettings, CodeSigningRequest,
    CreateFunctionRequest, EventInvokeRequest, FunctionCode, FunctionCodeSigningRequest, FunctionScalingRequest,
    FunctionSettings, MappingSettings, PublishLayerVersionRequest, PublishVersionRequest, PutConcurrencyRequest,
    PutProvisionedRequest, PutResourcePolicyRequest, RecursionRequest, RuntimeManagementRequest, TagResourceRequest,
    UpdateFunctionCodeRequest, UrlConfigRequest,
};
use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};

/// Fields that stand in a request's path, query or headers, or that are its whole body; and those of types that are
/// read as one map, and so do not tell their fields.
const ELSEWHERE: &str = "FunctionName Qualifier Name LayerName VersionNumber StatementId Marker MaxItems Arn Resource \
    TagKeys ResourceArn RevisionId UUID EventSourceArn FunctionVersion CompatibleArchitecture CompatibleRuntime State \
    CapacityProviderName CodeSigningConfigArn InvocationType LogType ClientContext Payload Tags Enabled TenantId \
    InvokeArgs MasterRegion";

/// Notes the names of the fields that a struct asks for.
struct Asked<'a>(&'a mut Vec<&'static str>);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::custom("no struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.extend_from_slice(fields);
        Err(Error::custom("only its fields were wanted"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn fields<'de, T: Deserialize<'de>>() -> Vec<&'static str> {
    let mut found = Vec::new();
    let _ = T::deserialize(Asked(&mut found));
    assert!(!found.is_empty(), "{} tells no fields", std::any::type_name::<T>());
    found
}

/// The fields that are read of an operation's body.
fn read(operation: Operation) -> Vec<&'static str> {
    match operation {
        Operation::CreateFunction => [fields::<CreateFunctionRequest<'_>>(), fields::<FunctionSettings>()].concat(),
        Operation::UpdateFunctionConfiguration => fields::<FunctionSettings>(),
        Operation::UpdateFunctionCode => [fields::<UpdateFunctionCodeRequest>(), fields::<FunctionCode<'_>>()].concat(),
        Operation::PublishVersion => fields::<PublishVersionRequest>(),
        Operation::CreateAlias | Operation::UpdateAlias => fields::<AliasRequest>(),
        Operation::PutFunctionConcurrency => fields::<PutConcurrencyRequest>(),
        Operation::PutProvisionedConcurrencyConfig => fields::<PutProvisionedRequest>(),
        Operation::PutFunctionRecursionConfig => fields::<RecursionRequest>(),
        Operation::PutRuntimeManagementConfig => fields::<RuntimeManagementRequest>(),
        Operation::PutFunctionScalingConfig => fields::<FunctionScalingRequest>(),
        Operation::CreateCapacityProvider | Operation::UpdateCapacityProvider => fields::<CapacityProviderSettings>(),
        Operation::TagResource => fields::<TagResourceRequest>(),
        Operation::AddPermission => fields::<AddPermissionRequest>(),
        Operation::PutResourcePolicy => fields::<PutResourcePolicyRequest>(),
        Operation::CreateFunctionUrlConfig | Operation::UpdateFunctionUrlConfig => fields::<UrlConfigRequest>(),
        Operation::PutFunctionEventInvokeConfig | Operation::UpdateFunctionEventInvokeConfig => {
            fields::<EventInvokeRequest>()
        }
        Operation::CreateEventSourceMapping | Operation::UpdateEventSourceMapping => fields::<MappingSettings>(),
        Operation::PublishLayerVersion => fields::<PublishLayerVersionRequest<'_>>(),
        Operation::AddLayerVersionPermission => fields::<AddLayerVersionPermissionRequest>(),
        Operation::CreateCodeSigningConfig | Operation::UpdateCodeSigningConfig => fields::<CodeSigningRequest>(),
        Operation::PutFunctionCodeSigningConfig => fields::<FunctionCodeSigningRequest>(),
        _ => Vec::new(),
    }
}

fn all() -> impl Iterator<Item = &'static Served> {
    COMPATIBILITY.iter().flat_map(|family| family.operations)
}

#[test]
fn every_operation_stands_in_the_table_once() {
    for operation in Operation::ALL {
        assert_eq!(all().filter(|served| served.operation == *operation).count(), 1, "{}", operation.name());
    }
    assert_eq!(all().count(), Operation::ALL.len());
}

#[test]
fn what_is_said_to_be_taken_is_read() {
    for served in all() {
        let read = read(served.operation);
        for field in served.request().filter(|field| !matches!(field.support, Support::Not(_))) {
            let elsewhere = ELSEWHERE.split_ascii_whitespace().any(|name| name == field.name);
            assert!(elsewhere || read.contains(&field.name), "{}: {}", served.operation.name(), field.name);
        }
    }
}

#[test]
fn every_gap_is_of_a_field_and_every_claim_has_a_test() {
    for served in all() {
        let name = served.operation.name();
        assert_eq!(served.tests.is_empty(), matches!(served.support(), Support::Not(_)), "{name}");
        let Gaps::Some(groups) = served.gaps else { continue };
        for gap in groups.iter().copied().flatten() {
            let known = served.request().chain(served.reply()).any(|field| field.name == gap.field);
            assert!(known, "{name} has no field {}", gap.field);
        }
    }
}
