//! One tool call: its approval, its run and its result.

use crate::{Tool, tools::ToolFuture};
use atoma_types::{ToolCall, ToolKind};
use serde_json::{Map, Value, json};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// The decision about a tool call; the hook of [`ToolRun::approve`](crate::ToolRun::approve)
/// returns it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Approval {
    /// It may run.
    Allow,
    /// It may not run. The model gets the reason.
    Deny(String),
    /// It may run, with these arguments. The conversation has them in place of the model's.
    Edit(Value),
}

impl Approval {
    /// Denies the call for this reason, which the model gets.
    pub fn deny(reason: impl Into<String>) -> Self {
        Self::Deny(reason.into())
    }

    /// Allows the call with other arguments, a JSON object.
    pub fn edit(arguments: Value) -> Self {
        Self::Edit(arguments)
    }
}

/// A tool call with its result.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ToolStep {
    /// The call, with the arguments that the approval set, if it did.
    pub call: ToolCall,
    /// The text that the model receives: the result, or an error that begins with `error: `.
    pub content: String,
    /// The outcome.
    pub outcome: ToolOutcome,
}

/// The outcome of a tool call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ToolOutcome {
    /// The tool returned a result.
    Done,
    /// The tool returned an error.
    Failed,
    /// The approval denied the call.
    Denied,
    /// The model named a tool that does not exist.
    UnknownTool,
    /// The arguments are not JSON, or do not fit the type of the tool.
    InvalidArguments,
}

pub(crate) type Hook =
    Arc<dyn Fn(ToolCall) -> Pin<Box<dyn Future<Output = Approval> + Send>> + Send + Sync>;

/// A call on its way to its result.
pub(crate) struct Step {
    call: ToolCall,
    tool: Option<Tool>,
    state: State,
}

enum State {
    Ended(String, ToolOutcome),
    Asking(Pin<Box<dyn Future<Output = Approval> + Send>>),
    Running(ToolFuture),
}

impl Step {
    pub(crate) fn start(call: ToolCall, tools: &[Tool], hook: Option<&Hook>) -> Self {
        let is_function = call.kind == ToolKind::Function;
        let tool = tools.iter().find(|tool| is_function && tool.name() == call.name()).cloned();
        let mut step = Self { call, tool, state: State::Ended(String::new(), ToolOutcome::Done) };
        if step.tool.is_none() {
            let names: Vec<&str> = tools.iter().map(Tool::name).collect();
            let text = format!("unknown tool {:?}; known: {}", step.call.name(), names.join(", "));
            step.fail(text, ToolOutcome::UnknownTool);
            return step;
        }
        match (hook, step.call.arguments::<Value>()) {
            (Some(hook), Ok(_)) => step.state = State::Asking(hook(step.call.clone())),
            _ => step.run(),
        }
        step
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToolStep> {
        loop {
            match &mut self.state {
                State::Asking(approval) => match ready!(approval.as_mut().poll(cx)) {
                    Approval::Allow => self.run(),
                    Approval::Deny(reason) => {
                        self.fail(format!("the call was denied: {reason}"), ToolOutcome::Denied);
                    }
                    Approval::Edit(arguments) => {
                        self.call.function.arguments = arguments.to_string();
                        self.run();
                    }
                },
                State::Running(result) => match ready!(result.as_mut().poll(cx)) {
                    Ok(text) => self.state = State::Ended(text, ToolOutcome::Done),
                    Err(error) => self.fail(error, ToolOutcome::Failed),
                },
                State::Ended(content, outcome) => {
                    let content = std::mem::take(content);
                    let (call, outcome) = (self.call.clone(), *outcome);
                    return Poll::Ready(ToolStep { call, content, outcome });
                }
            }
        }
    }

    fn run(&mut self) {
        let Some(tool) = &self.tool else { return };
        match tool.call(&self.call) {
            Ok(future) => self.state = State::Running(future),
            Err(error) => {
                self.fail(format!("invalid arguments: {error}"), ToolOutcome::InvalidArguments);
            }
        }
    }

    fn fail(&mut self, text: impl std::fmt::Display, outcome: ToolOutcome) {
        self.state = State::Ended(format!("error: {text}"), outcome);
    }
}

/// The call as servers accept it in a later request: some parse the arguments, and fail unless they
/// are a JSON object. Other text is kept in a member, so that the model can see its own output.
pub(crate) fn for_history(call: &ToolCall) -> ToolCall {
    let mut call = call.clone();
    let is_function = call.kind == ToolKind::Function;
    if is_function && call.arguments::<Map<String, Value>>().is_err() {
        let written = std::mem::take(&mut call.function.arguments);
        call.function.arguments = json!({"invalid_arguments": written}).to_string();
    }
    call
}
