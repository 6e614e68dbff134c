//! Drives the real `shiro` against real things: child processes, HTTP servers on loopback, components built from source,
//! an emulator of GitLab's runner. One binary, so that it is linked once.

#![allow(clippy::print_stderr, reason = "a failing test shows what it saw")]

mod support;

mod ai;
mod approval;
mod approvals;
mod carry;
mod ci_files;
mod cli;
mod compile;
mod crash;
mod data;
mod data_languages;
mod data_steps;
mod docs;
mod docs_steps;
mod engine;
mod fan_out;
mod faults;
mod finally;
mod git_diff;
mod github_step;
mod gitlab;
mod gitlab_step;
mod go_shiro;
mod graph;
mod hermetic;
mod hostile_content;
mod http_step;
mod identity;
mod init;
mod languages;
mod learn;
mod local_steps;
mod notify;
mod plugin_run;
mod plugin_test;
mod policy;
mod registry;
mod retry;
mod sandbox;
mod secrets;
mod shell;
mod state;
mod stores;
mod subworkflow;
mod tidy;
mod types;
mod validation;
mod wait;
mod wait_http;
