//! Inputs that nobody wrote by hand: generated guests, and fuzz targets over everything that comes from outside.
#![forbid(unsafe_code)]
