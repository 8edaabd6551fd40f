//! Futures and tasks: asyncio's own, made for this loop.

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;

use super::EventLoop;
use crate::imports::imports;
use crate::raw::arguments::Arguments;
use crate::raw::call;
use crate::raw::class::ClassBuilder;
use crate::raw::object::{Instance, Object};

pub(super) fn add_methods(builder: ClassBuilder<EventLoop>) -> ClassBuilder<EventLoop> {
    builder
        .bare_method(c"create_future", create_future, c"create_future($self)\n--\n\nMake an asyncio.Future of this loop.")
        .method(c"create_task", create_task, c"create_task($self, coro, **kwargs)\n--\n\nSchedule a coroutine as an asyncio.Task.")
        .method(c"set_task_factory", set_task_factory, c"set_task_factory($self, factory)\n--\n\nSet what create_task() makes tasks with; None for asyncio.Task.")
        .bare_method(c"get_task_factory", get_task_factory, c"get_task_factory($self)\n--\n\nThe task factory, or None.")
}

fn create_future(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    let imports = imports(py)?;
    call::call_named(
        py,
        &imports.future,
        [event_loop.as_object()],
        0,
        imports.event_loop_names.bind(py),
    )
}

fn create_task(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    event_loop.check_open()?;
    if !event_loop.task_factory.is_empty() || !are_usual(py, &arguments) {
        let create_task = event_loop.bind(py).getattr(intern!(py, "_create_task"))?;
        return call::forward(py, &Object::from(create_task), &arguments);
    }
    let imports = imports(py)?;
    call::forward_with(
        py,
        &imports.task,
        &arguments,
        imports.event_loop_names.bind(py),
        event_loop.as_object(),
    )
}

/// Whether asyncio's `create_task` passes all of the arguments on to the task, in every release.
fn are_usual(py: Python<'_>, arguments: &Arguments<'_>) -> bool {
    arguments.len() == 1
        && arguments
            .named(py)
            .all(|(name, _)| name.is(intern!(py, "name")) || name.is(intern!(py, "context")))
}

fn set_task_factory(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    arguments: Arguments<'_>,
) -> PyResult<Object> {
    let [factory] = arguments.bind(py, "set_task_factory", ["factory"], 1)?;
    let factory = factory.filter(|factory| !factory.is_none());
    if factory.is_some_and(|factory| !factory.is_callable()) {
        return Err(PyTypeError::new_err(
            "task factory must be a callable or None",
        ));
    }
    let factory = factory.map(|factory| Object::from(factory.to_owned()));
    event_loop.task_factory.set(factory);
    Ok(Object::none(py))
}

fn get_task_factory(
    event_loop: &Instance<EventLoop>,
    py: Python<'_>,
    _: Arguments<'_>,
) -> PyResult<Object> {
    Ok(event_loop
        .task_factory
        .get()
        .unwrap_or_else(|| Object::none(py)))
}
