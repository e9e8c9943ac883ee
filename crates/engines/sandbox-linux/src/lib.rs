//! lacewing-sandbox-linux
