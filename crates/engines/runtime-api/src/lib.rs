//! lacewing-runtime-api
