//! Terraform's types of AWS and what they are here.

/// A type that is a kind of ours.
pub(super) struct Row {
    /// Terraform's type.
    pub(super) theirs: &'static str,
    /// Our kind.
    pub(super) ours: &'static str,
    /// The attribute that is the identifier here.
    pub(super) id: &'static str,
}

/// A type that is a part of another: what it says, that one's kind says here.
pub(super) struct Part {
    /// Terraform's type.
    pub(super) theirs: &'static str,
    /// The type that it is a part of.
    pub(super) of: &'static str,
    /// The attribute that names that one.
    pub(super) names: &'static str,
    /// The attributes of that one which it may be named by.
    pub(super) by: &'static [&'static str],
}

const fn kind(theirs: &'static str, ours: &'static str, id: &'static str) -> Row {
    Row { theirs, ours, id }
}

const fn of_bucket(theirs: &'static str) -> Part {
    Part { theirs, of: "aws_s3_bucket", names: "bucket", by: &["bucket", "id"] }
}

const KINDS: &[Row] = &[
    kind("aws_s3_bucket", "bucket", "bucket"),
    kind("aws_sqs_queue", "AWS::SQS::Queue", "id"),
    kind("aws_sns_topic", "AWS::SNS::Topic", "arn"),
    kind("aws_sns_topic_subscription", "AWS::SNS::Subscription", "arn"),
    kind("aws_dynamodb_table", "AWS::DynamoDB::Table", "name"),
    kind("aws_ecr_repository", "AWS::ECR::Repository", "name"),
    kind("aws_ecs_cluster", "AWS::ECS::Cluster", "name"),
    kind("aws_efs_access_point", "AWS::EFS::AccessPoint", "id"),
    kind("aws_efs_file_system", "AWS::EFS::FileSystem", "id"),
    kind("aws_cloudwatch_dashboard", "AWS::CloudWatch::Dashboard", "dashboard_name"),
    kind("aws_cloudwatch_event_rule", "AWS::Events::Rule", "arn"),
    kind("aws_cloudwatch_log_group", "AWS::Logs::LogGroup", "name"),
    kind("aws_cloudwatch_metric_alarm", "AWS::CloudWatch::Alarm", "alarm_name"),
    kind("aws_iam_instance_profile", "AWS::IAM::InstanceProfile", "name"),
    kind("aws_iam_policy", "AWS::IAM::ManagedPolicy", "arn"),
    kind("aws_iam_role", "AWS::IAM::Role", "name"),
    kind("aws_kinesis_stream", "AWS::Kinesis::Stream", "name"),
    kind("aws_kms_alias", "AWS::KMS::Alias", "name"),
    kind("aws_kms_key", "AWS::KMS::Key", "key_id"),
    kind("aws_lambda_function", "AWS::Lambda::Function", "function_name"),
    kind("aws_sagemaker_endpoint", "AWS::SageMaker::Endpoint", "arn"),
    kind("aws_sagemaker_endpoint_configuration", "AWS::SageMaker::EndpointConfig", "arn"),
    kind("aws_sagemaker_model", "AWS::SageMaker::Model", "arn"),
    kind("aws_sagemaker_model_package_group", "AWS::SageMaker::ModelPackageGroup", "arn"),
    kind("aws_sagemaker_notebook_instance", "AWS::SageMaker::NotebookInstance", "arn"),
    kind("aws_secretsmanager_secret", "AWS::SecretsManager::Secret", "arn"),
    kind("aws_sfn_state_machine", "AWS::StepFunctions::StateMachine", "arn"),
];

const PARTS: &[Part] = &[
    of_bucket("aws_s3_bucket_acl"),
    of_bucket("aws_s3_bucket_cors_configuration"),
    of_bucket("aws_s3_bucket_lifecycle_configuration"),
    of_bucket("aws_s3_bucket_logging"),
    of_bucket("aws_s3_bucket_ownership_controls"),
    of_bucket("aws_s3_bucket_policy"),
    of_bucket("aws_s3_bucket_public_access_block"),
    of_bucket("aws_s3_bucket_server_side_encryption_configuration"),
    of_bucket("aws_s3_bucket_versioning"),
    Part { theirs: "aws_ecr_lifecycle_policy", of: "aws_ecr_repository", names: "repository", by: &["name"] },
    Part { theirs: "aws_ecr_repository_policy", of: "aws_ecr_repository", names: "repository", by: &["name"] },
    Part { theirs: "aws_iam_role_policy", of: "aws_iam_role", names: "role", by: &["name", "id"] },
    Part { theirs: "aws_iam_role_policy_attachment", of: "aws_iam_role", names: "role", by: &["name", "id"] },
    Part {
        theirs: "aws_secretsmanager_secret_version",
        of: "aws_secretsmanager_secret",
        names: "secret_id",
        by: &["id", "arn"],
    },
];

/// The kind that a type is; none where it is not known.
pub(super) fn row(theirs: &str) -> Option<&'static Row> {
    KINDS.iter().find(|row| row.theirs == theirs)
}

/// What a type is a part of; none where it is not known.
pub(super) fn part(theirs: &str) -> Option<&'static Part> {
    PARTS.iter().find(|part| part.theirs == theirs)
}
