//! Between columns and our types. A stored text that is no value of its type is an error of the query, not a panic.

use std::error::Error;
use std::str::FromStr;

use berth_schema::access::SubjectKind;
use berth_schema::api::{StateReason, SuspectedLoss, VariableName};
use berth_schema::git::GitHost;
use berth_schema::groups::GroupPath;
use berth_schema::identity_providers::{IdentityProviderName, ProviderSettings};
use berth_schema::members::MemberRef;
use berth_schema::projects::{ProjectPath, ProjectRef, ProjectSettings};
use berth_schema::scope::Scope;
use berth_schema::state::TransitionCause;
use berth_schema::variables::VariableKind;
use berth_schema::{
    ActualState, AgentConfiguration, AgentName, DesiredState, Generation, NamespaceName, OrganizationName,
    ResourceVersion, WorkspaceName, WorkspaceSpec,
};
use diesel::deserialize::{FromSql, FromSqlRow, Result};
use diesel::pg::{Pg, PgValue};
use diesel::sql_types::{BigInt, Bytea, Jsonb, Nullable, Text};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::configuration::ConfigurationUnreadable;

/// A column of which a value that cannot be read is no error of the query: one row would make all others unreadable.
#[derive(Debug, FromSqlRow)]
pub struct Tried<C>(Option<C>);

impl<C> Tried<C> {
    /// The column as it was read.
    pub(crate) fn get(self) -> Option<C> {
        self.0
    }

    /// `None`: what is stored cannot be read.
    pub(crate) fn read<T: From<C>>(self) -> Option<T> {
        self.0.map(Into::into)
    }
}

impl<ST, C: FromSql<ST, Pg>> FromSql<ST, Pg> for Tried<C> {
    fn from_sql(bytes: PgValue<'_>) -> Result<Self> {
        Ok(Self(C::from_sql(bytes).ok()))
    }

    fn from_nullable_sql(bytes: Option<PgValue<'_>>) -> Result<Self> {
        Ok(Self(C::from_nullable_sql(bytes).ok()))
    }
}

/// `None` where it cannot be read.
macro_rules! read_or_not {
    ($($Column:ty => $Type:ty;)+) => {$(
        impl From<Tried<$Column>> for Option<$Type> {
            fn from(column: Tried<$Column>) -> Self {
                column.read()
            }
        }
    )+};
}

read_or_not! {
    Parsed<DesiredState> => DesiredState;
    Parsed<VariableKind> => VariableKind;
    Parsed<GitHost> => GitHost;
}

/// A loss that was suspected in words that this version does not know: it stays suspected until the next full report, which
/// is asked for, says what is missing.
impl From<Tried<NullableJson<SuspectedLoss>>> for Option<SuspectedLoss> {
    fn from(column: Tried<NullableJson<SuspectedLoss>>) -> Self {
        column.read().unwrap_or_else(|| {
            Some(SuspectedLoss {
                since: Timestamp::UNIX_EPOCH,
                missing: 0,
                applied: 0,
                needs_confirmation: false,
                fingerprint: Uuid::nil(),
            })
        })
    }
}

impl From<Tried<NullableJson<AgentConfiguration>>>
    for std::result::Result<Option<AgentConfiguration>, ConfigurationUnreadable>
{
    fn from(column: Tried<NullableJson<AgentConfiguration>>) -> Self {
        column.read().ok_or(ConfigurationUnreadable)
    }
}

/// Rules that this version cannot read are followed by nobody.
impl From<Tried<Json<ProviderSettings>>> for Option<ProviderSettings> {
    fn from(column: Tried<Json<ProviderSettings>>) -> Self {
        column.get().map(Json::into_inner)
    }
}

/// What a later version has written of a project is nothing that workspaces of this one could be made of.
impl From<Tried<Json<ProjectSettings>>> for Option<ProjectSettings> {
    fn from(column: Tried<Json<ProjectSettings>>) -> Self {
        column.get().map(Json::into_inner)
    }
}

impl From<Tried<Parsed<AgentName>>> for AgentName {
    fn from(column: Tried<Parsed<AgentName>>) -> Self {
        column.read().unwrap_or_else(Self::unreadable)
    }
}

/// What stands in lists and in the history for what cannot be read, where nothing is decided by it.
macro_rules! shown_instead {
    ($($Column:ty => $Type:ty: $other:expr;)+) => {$(
        impl From<Tried<$Column>> for $Type {
            fn from(column: Tried<$Column>) -> Self {
                column.read().unwrap_or($other)
            }
        }
    )+};
}

shown_instead! {
    Parsed<DesiredState> => DesiredState: DesiredState::Stopped;
    Parsed<ActualState> => ActualState: ActualState::Unknown;
    Parsed<TransitionCause> => TransitionCause: TransitionCause::Server;
    NullableJson<StateReason> => Option<StateReason>: None;
    NullableJson<ProjectRef> => Option<ProjectRef>: None;
    NullableJson<MemberRef> => Option<MemberRef>: None;
    Json<Vec<VariableName>> => Vec<VariableName>: vec![];
}

/// A text column that parses into a `T`.
#[derive(Debug, FromSqlRow)]
pub struct Parsed<T>(T);

impl<T> Parsed<T> {
    pub(crate) fn into_inner(self) -> T {
        self.0
    }
}

impl<T> FromSql<Text, Pg> for Parsed<T>
where
    T: FromStr,
    T::Err: Error + Send + Sync + 'static,
{
    fn from_sql(bytes: PgValue<'_>) -> Result<Self> {
        Ok(Self(std::str::from_utf8(bytes.as_bytes())?.parse()?))
    }
}

/// A JSON column that deserialises into a `T`.
#[derive(Debug, FromSqlRow)]
pub struct Json<T>(T);

impl<T: DeserializeOwned> FromSql<Jsonb, Pg> for Json<T> {
    fn from_sql(bytes: PgValue<'_>) -> Result<Self> {
        let value = <Value as FromSql<Jsonb, Pg>>::from_sql(bytes)?;
        Ok(Self(serde_json::from_value(value)?))
    }
}

impl<T> Json<T> {
    pub(crate) fn into_inner(self) -> T {
        self.0
    }
}

/// A JSON column that may be NULL.
#[derive(Debug, FromSqlRow)]
pub struct NullableJson<T>(Option<T>);

impl<T> NullableJson<T> {
    pub(crate) fn into_inner(self) -> Option<T> {
        self.0
    }
}

impl<T: DeserializeOwned> FromSql<Nullable<Jsonb>, Pg> for NullableJson<T> {
    fn from_sql(bytes: PgValue<'_>) -> Result<Self> {
        Json::from_sql(bytes).map(|json| Self(Some(json.0)))
    }

    fn from_nullable_sql(bytes: Option<PgValue<'_>>) -> Result<Self> {
        bytes.map_or(Ok(Self(None)), Self::from_sql)
    }
}

/// A text column that may be NULL and parses into a `T`.
#[derive(Debug, FromSqlRow)]
pub struct NullableParsed<T>(Option<T>);

impl<T> FromSql<Nullable<Text>, Pg> for NullableParsed<T>
where
    T: FromStr,
    T::Err: Error + Send + Sync + 'static,
{
    fn from_sql(bytes: PgValue<'_>) -> Result<Self> {
        Parsed::from_sql(bytes).map(|parsed| Self(Some(parsed.0)))
    }

    fn from_nullable_sql(bytes: Option<PgValue<'_>>) -> Result<Self> {
        bytes.map_or(Ok(Self(None)), Self::from_sql)
    }
}

impl From<NullableParsed<Scope>> for Option<Scope> {
    fn from(column: NullableParsed<Scope>) -> Self {
        column.0
    }
}

impl From<NullableParsed<ResourceVersion>> for Option<ResourceVersion> {
    fn from(column: NullableParsed<ResourceVersion>) -> Self {
        column.0
    }
}

/// A generation as it is stored. Another number than one is an older version's: the nearest takes its place.
#[derive(Debug, FromSqlRow)]
pub struct StoredGeneration(Generation);

impl FromSql<BigInt, Pg> for StoredGeneration {
    fn from_sql(bytes: PgValue<'_>) -> Result<Self> {
        i64::from_sql(bytes).map(|number| Self(Generation::of(number)))
    }
}

impl From<StoredGeneration> for Generation {
    fn from(column: StoredGeneration) -> Self {
        column.0
    }
}

/// SHA-256 of a whole token.
pub type SecretHash = [u8; 32];

/// A bytea column of exactly that length.
#[derive(Debug, FromSqlRow)]
pub struct Bytes<const N: usize>([u8; N]);

impl<const N: usize> FromSql<Bytea, Pg> for Bytes<N> {
    fn from_sql(bytes: PgValue<'_>) -> Result<Self> {
        Ok(Self(bytes.as_bytes().try_into()?))
    }
}

/// The same where it may be NULL.
#[derive(Debug, FromSqlRow)]
pub struct NullableBytes<const N: usize>(Option<[u8; N]>);

impl<const N: usize> FromSql<Nullable<Bytea>, Pg> for NullableBytes<N> {
    fn from_sql(bytes: PgValue<'_>) -> Result<Self> {
        Bytes::from_sql(bytes).map(|bytes| Self(Some(bytes.0)))
    }

    fn from_nullable_sql(bytes: Option<PgValue<'_>>) -> Result<Self> {
        bytes.map_or(Ok(Self(None)), Self::from_sql)
    }
}

impl<const N: usize> From<NullableBytes<N>> for Option<[u8; N]> {
    fn from(column: NullableBytes<N>) -> Self {
        column.0
    }
}

impl<const N: usize> From<Bytes<N>> for [u8; N] {
    fn from(column: Bytes<N>) -> Self {
        column.0
    }
}

/// Diesel's derive turns a column into its field by `Into`.
macro_rules! into_fields {
    ($($Wrapper:ident: $($Type:ty),+;)+) => {
        $($(
            impl From<$Wrapper<$Type>> for $Type {
                fn from(column: $Wrapper<$Type>) -> Self {
                    column.0
                }
            }
        )+)+
    };
}

impl From<NullableJson<MemberRef>> for Option<MemberRef> {
    fn from(column: NullableJson<MemberRef>) -> Self {
        column.0
    }
}

impl From<NullableJson<ProjectRef>> for Option<ProjectRef> {
    fn from(column: NullableJson<ProjectRef>) -> Self {
        column.0
    }
}

impl From<NullableJson<StateReason>> for Option<StateReason> {
    fn from(column: NullableJson<StateReason>) -> Self {
        column.0
    }
}

impl From<NullableJson<SuspectedLoss>> for Option<SuspectedLoss> {
    fn from(column: NullableJson<SuspectedLoss>) -> Self {
        column.0
    }
}

impl From<NullableJson<AgentConfiguration>> for Option<AgentConfiguration> {
    fn from(column: NullableJson<AgentConfiguration>) -> Self {
        column.0
    }
}

into_fields! {
    Parsed: ActualState, AgentName, DesiredState, GitHost, GroupPath, IdentityProviderName, NamespaceName, OrganizationName, ProjectPath,
        Scope, SubjectKind, TransitionCause, VariableKind, WorkspaceName;
    Json: WorkspaceSpec, Vec<VariableName>;
}
