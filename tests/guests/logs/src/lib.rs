//! Writes log lines and reads settings, through bindings of draft interfaces that no library contains.

mod drafts {
    wit_bindgen::generate!({
        inline: "
            package golem:logs-imports;

            package wasi:logging@0.1.0-draft {
                interface logging {
                    enum level { trace, debug, info, warn, error, critical }
                    log: func(level: level, context: string, message: string);
                }
            }

            package wasi:config@0.2.0-draft {
                interface store {
                    variant error { upstream(string), io(string) }
                    get: func(key: string) -> result<option<string>, error>;
                    get-all: func() -> result<list<tuple<string, string>>, error>;
                }
            }

            world imports {
                import wasi:logging/logging@0.1.0-draft;
                import wasi:config/store@0.2.0-draft;
            }
        ",
        generate_all,
    });
}

#[golem::worker]
mod logs {
    use crate::drafts::wasi::config::store;
    use crate::drafts::wasi::logging::logging::{self, Level};

    /// Logs one line of each level.
    pub fn lines(context: String, message: String) {
        let levels = [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Critical];
        for level in levels {
            logging::log(level, &context, &message);
        }
    }

    /// One setting.
    pub fn setting(key: String) -> Result<Option<String>, String> {
        store::get(&key).map_err(|error| format!("{error:?}"))
    }

    /// All settings.
    pub fn settings() -> Result<Vec<(String, String)>, String> {
        store::get_all().map_err(|error| format!("{error:?}"))
    }
}
