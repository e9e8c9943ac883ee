//! lacewing-sandbox-linux
mod net;
