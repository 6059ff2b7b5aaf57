//! How kinds of event are declared.

/// Declares the kinds of event, each with its name, and which are for the owner.
macro_rules! events {
    (@for) => { false };
    (@for owner) => { true };
    ($(#[$meta:meta])* pub enum Event {
        $($(#[$about:meta])* $kind:ident = $name:literal $(for $whom:ident)? { $($fields:tt)* })+
    }) => {
        $(#[$meta])*
        pub enum Event {
            $($(#[$about])* #[serde(rename = $name)] $kind { $($fields)* },)+
        }

        impl Event {
            /// The name of an event's kind: it is told by it in JSON, and counted by it.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$kind { .. } => $name,)+
                }
            }

            /// Whether it tells of something that its owner should know whatever is logged: of a loss, a
            /// fork, or keys that do not count any more. It is told once, by whichever process meets it.
            pub const fn is_for_owner(&self) -> bool {
                match self {
                    $(Self::$kind { .. } => events!(@for $($whom)?),)+
                }
            }
        }
    };
}
pub(super) use events;
