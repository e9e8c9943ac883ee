# Every resource of Terraform's AWS provider for Lambda that is done here, and the roles and policies that go with them.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region                  = "us-east-1"
  skip_metadata_api_check = true
}

variable "runtime" {}
variable "memory" { default = 256 }

locals {
  name  = "from-terraform"
  trust = { Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole" }
}

data "aws_caller_identity" "me" {}

resource "aws_iam_role" "role" {
  name               = local.name
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [local.trust] })
  tags               = { team = "shop" }
}

resource "aws_iam_role_policy_attachment" "basic" {
  role       = aws_iam_role.role.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}

resource "aws_iam_role_policy" "inline" {
  role   = aws_iam_role.role.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "lambda:InvokeFunction", Resource = "*" }] })
}

resource "aws_iam_policy" "own" {
  name   = local.name
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "lambda:GetFunction", Resource = "*" }] })
}

resource "aws_iam_role_policy_attachment" "own" {
  role       = aws_iam_role.role.name
  policy_arn = aws_iam_policy.own.arn
}

resource "aws_lambda_layer_version" "layer" {
  layer_name          = local.name
  filename            = "app.zip"
  source_code_hash    = filebase64sha256("app.zip")
  compatible_runtimes = [var.runtime]
}

resource "aws_lambda_layer_version_permission" "theirs" {
  layer_name     = aws_lambda_layer_version.layer.layer_name
  version_number = aws_lambda_layer_version.layer.version
  principal      = "111111111111"
  action         = "lambda:GetLayerVersion"
  statement_id   = "theirs"
}

resource "aws_lambda_function" "function" {
  function_name                  = local.name
  role                           = aws_iam_role.role.arn
  runtime                        = var.runtime
  handler                        = "app.handler"
  filename                       = "app.zip"
  source_code_hash               = filebase64sha256("app.zip")
  layers                         = [aws_lambda_layer_version.layer.arn]
  publish                        = true
  memory_size                    = var.memory
  timeout                        = 10
  reserved_concurrent_executions = 5
  tags                           = { team = "shop" }
  environment {
    variables = { MODE = "test" }
  }
  ephemeral_storage {
    size = 1024
  }
  # Without the levels this version of the provider publishes a version at each apply.
  logging_config {
    log_format            = "JSON"
    application_log_level = "DEBUG"
    system_log_level      = "WARN"
  }
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.function.function_name
  function_version = aws_lambda_function.function.version
}

resource "aws_lambda_provisioned_concurrency_config" "live" {
  function_name                     = aws_lambda_function.function.function_name
  qualifier                         = aws_lambda_alias.live.name
  provisioned_concurrent_executions = 1
}

resource "aws_lambda_permission" "events" {
  statement_id  = "events"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.function.function_name
  principal     = "events.amazonaws.com"
  source_arn    = "arn:aws:events:us-east-1:${data.aws_caller_identity.me.account_id}:rule/tick"
}

resource "aws_lambda_function_url" "live" {
  function_name      = aws_lambda_function.function.function_name
  qualifier          = aws_lambda_alias.live.name
  authorization_type = "AWS_IAM"
  cors {
    allow_origins = ["*"]
  }
}

resource "aws_lambda_function_event_invoke_config" "retry" {
  function_name                = aws_lambda_function.function.function_name
  maximum_retry_attempts       = 1
  maximum_event_age_in_seconds = 60
}

resource "aws_lambda_code_signing_config" "signing" {
  allowed_publishers {
    signing_profile_version_arns = ["arn:aws:signer:us-east-1:${data.aws_caller_identity.me.account_id}:/signing-profiles/p/abcdef"]
  }
}

resource "aws_lambda_event_source_mapping" "queue" {
  function_name    = aws_lambda_function.function.arn
  event_source_arn = "arn:aws:sqs:us-east-1:${data.aws_caller_identity.me.account_id}:queue"
}

resource "aws_lambda_runtime_management_config" "runtime" {
  function_name     = aws_lambda_function.function.function_name
  update_runtime_on = "FunctionUpdate"
}

resource "aws_lambda_function_recursion_config" "recursion" {
  function_name  = aws_lambda_function.function.function_name
  recursive_loop = "Allow"
}

resource "aws_lambda_invocation" "call" {
  function_name = aws_lambda_function.function.function_name
  qualifier     = aws_lambda_alias.live.name
  input         = jsonencode({ hello = "you" })
}

data "aws_lambda_function" "function" {
  function_name = aws_lambda_function.function.function_name
}

data "aws_lambda_alias" "live" {
  function_name = aws_lambda_function.function.function_name
  name          = aws_lambda_alias.live.name
}

data "aws_lambda_layer_version" "layer" {
  layer_name = aws_lambda_layer_version.layer.layer_name
}

output "said" { value = jsondecode(aws_lambda_invocation.call.result) }
output "url" { value = aws_lambda_function_url.live.function_url }
output "account" { value = data.aws_caller_identity.me.account_id }
output "version" { value = data.aws_lambda_alias.live.function_version }
