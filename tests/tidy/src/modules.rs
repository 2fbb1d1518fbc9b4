//! Which module of a crate uses which.

mod build;
mod circle;
mod graph;
mod module;
mod resolve;

pub(crate) use self::{
    circle::{Circle, of_modules, of_topmost},
    graph::{Edge, Graph, graphs},
};
