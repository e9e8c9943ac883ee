//! lacewing-artifact
