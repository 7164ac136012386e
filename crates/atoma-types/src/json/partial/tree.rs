//! The value that [`PartialJson`] builds, and the path to the place in it that is being read.
//!
//! The path is kept as names, not as references into the value: a reference could not be stored next to the value that it points
//! to. Each write follows the path from the root, at most 128 steps.

use super::{Container, PartialJson};
use serde_json::Value;

impl PartialJson {
    /// Returns whether the innermost open container is an object; false at the root.
    pub(super) fn is_in_object(&self) -> bool {
        matches!(self.open.last(), Some(Container::Object(_)))
    }

    /// The name of the member that is being read, in an object.
    pub(super) fn name(&mut self) -> Option<&mut String> {
        match self.open.last_mut() {
            Some(Container::Object(name)) => Some(name),
            _ => None,
        }
    }

    /// Puts a value at the place that is being read.
    pub(super) fn place(&mut self, value: Value) {
        let Some(parent) = self.open.len().checked_sub(1) else {
            self.root = Some(value);
            return;
        };
        // Cloned because the container and the path are borrowed from the same value.
        let name = match &self.open[parent] {
            Container::Object(name) => Some(name.clone()),
            Container::List => None,
        };
        match (self.container(parent), name) {
            (Some(Value::Object(members)), Some(name)) => {
                members.insert(name, value);
            }
            (Some(Value::Array(items)), None) => items.push(value),
            _ => {}
        }
    }

    /// Removes the value that is being read.
    pub(super) fn remove_current(&mut self) {
        let Some(parent) = self.open.len().checked_sub(1) else {
            self.root = None;
            return;
        };
        let name = self.name().cloned();
        match (self.container(parent), name) {
            (Some(Value::Object(members)), Some(name)) => drop(members.shift_remove(&name)),
            (Some(Value::Array(items)), None) => drop(items.pop()),
            _ => {}
        }
    }

    /// The value that was placed last and is being read.
    pub(super) fn current(&mut self) -> Option<&mut Value> {
        self.container(self.open.len())
    }

    /// The value `depth` containers below the root: nesting is bounded, so that this walk is.
    pub(super) fn container(&mut self, depth: usize) -> Option<&mut Value> {
        let mut value = self.root.as_mut()?;
        for container in &self.open[..depth] {
            // A list's open element is its last one, an object's the member that is being read.
            value = match (container, value) {
                (Container::Object(name), Value::Object(members)) => members.get_mut(name)?,
                (Container::List, Value::Array(items)) => items.last_mut()?,
                _ => return None,
            };
        }
        Some(value)
    }
}
