//! Names of resources: the values of `Ref` and `Fn::GetAtt`.

use std::collections::BTreeMap;

use super::refusal::{Refusal, at};
use crate::wire::{ACCOUNT, REGION, function_arn, queue_arn, stream_arn, table_arn};

/// The kinds of resources that a template may describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Function,
    HttpApi,
    Table,
    Queue,
    Role,
    LogGroup,
    Alarm,
    Dashboard,
}

impl Kind {
    pub(super) fn of(kind: &str) -> Option<Self> {
        Some(match kind {
            "AWS::Serverless::Function" => Self::Function,
            "AWS::Serverless::HttpApi" => Self::HttpApi,
            "AWS::DynamoDB::Table" => Self::Table,
            "AWS::SQS::Queue" => Self::Queue,
            "AWS::IAM::Role" => Self::Role,
            "AWS::Logs::LogGroup" => Self::LogGroup,
            "AWS::CloudWatch::Alarm" => Self::Alarm,
            "AWS::CloudWatch::Dashboard" => Self::Dashboard,
            _ => return None,
        })
    }

    /// The property that gives a resource of this kind its name.
    pub(super) fn name_property(self) -> &'static str {
        match self {
            Self::Function => "FunctionName",
            Self::HttpApi => "Name",
            Self::Table => "TableName",
            Self::Queue => "QueueName",
            Self::Role => "RoleName",
            Self::LogGroup => "LogGroupName",
            Self::Alarm => "AlarmName",
            Self::Dashboard => "DashboardName",
        }
    }
}

/// The names of all resources, by logical id.
#[derive(Debug, Default)]
pub(super) struct Names {
    resources: BTreeMap<String, (Kind, String)>,
    sqs_url: String,
}

impl Names {
    pub(super) fn new(sqs_url: &str) -> Self {
        Self { resources: BTreeMap::new(), sqs_url: sqs_url.trim_end_matches('/').to_owned() }
    }

    pub(super) fn add(&mut self, id: &str, kind: Kind, name: String) {
        self.resources.insert(id.to_owned(), (kind, name));
    }

    /// The name of a resource.
    pub(super) fn name(&self, id: &str) -> Option<&str> {
        self.resources.get(id).map(|(_, name)| name.as_str())
    }

    /// The logical id of the resource of a kind with an ARN.
    pub(super) fn with_arn(&self, wanted: Kind, arn: &str) -> Option<&str> {
        self.resources
            .iter()
            .find(|(_, (kind, name))| *kind == wanted && arn_of(*kind, name).as_deref() == Some(arn))
            .map(|(id, _)| id.as_str())
    }

    /// The logical id of the table with a stream ARN.
    pub(super) fn with_stream_arn(&self, arn: &str) -> Option<&str> {
        self.resources
            .iter()
            .find(|(_, (kind, name))| *kind == Kind::Table && stream_arn(name) == arn)
            .map(|(id, _)| id.as_str())
    }

    /// What `Ref` gives.
    pub(super) fn reference(&self, place: &str, id: &str) -> Result<String, Refusal> {
        match self.resources.get(id) {
            None => Refusal::err(place, format_args!("there is no resource or parameter {id:?}")),
            Some((Kind::Queue, name)) => Ok(format!("{}/{ACCOUNT}/{name}", self.sqs_url)),
            // An API has an id that its name is not part of.
            Some((Kind::HttpApi, _)) => Ok(id.to_lowercase()),
            Some((_, name)) => Ok(name.clone()),
        }
    }

    /// What `Fn::GetAtt` gives.
    pub(super) fn attribute(&self, place: &str, id: &str, attribute: &str) -> Result<String, Refusal> {
        let Some((kind, name)) = self.resources.get(id) else {
            return Refusal::err(place, format_args!("there is no resource {id:?}"));
        };
        let found = match (kind, attribute) {
            (kind, "Arn") => arn_of(*kind, name),
            (Kind::Table, "StreamArn") => Some(stream_arn(name)),
            (Kind::Queue, "QueueName") => Some(name.clone()),
            (Kind::Queue, "QueueUrl") => Some(self.reference(place, id)?),
            _ => None,
        };
        found.ok_or_else(|| Refusal::new(at(place, attribute), format_args!("{id} has no such attribute")))
    }
}

fn arn_of(kind: Kind, name: &str) -> Option<String> {
    match kind {
        Kind::Function => Some(function_arn(name)),
        Kind::Table => Some(table_arn(name)),
        Kind::Queue => Some(queue_arn(name)),
        Kind::Role => Some(format!("arn:aws:iam::{ACCOUNT}:role/{name}")),
        Kind::LogGroup => Some(format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}:*")),
        Kind::Alarm => Some(format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}")),
        Kind::HttpApi | Kind::Dashboard => None,
    }
}
