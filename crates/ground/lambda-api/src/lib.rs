//! lacewing-lambda-api
