//! Enumerations whose members have a name in one kebab-case word, which metrics and reports write.

/// Declares an enumeration with the name of each member, which `name` gives.
macro_rules! named {
    (
        $(#[$meta:meta])*
        $to:vis enum $named:ident {
            $($(#[$about:meta])* $member:ident = $name:literal,)+
        }
    ) => {
        $(#[$meta])*
        $to enum $named {
            $($(#[$about])* $member,)+
        }

        impl $named {
            /// As metrics, the ledger of losses and reports name it.
            $to const fn name(self) -> &'static str {
                match self {
                    $(Self::$member => $name,)+
                }
            }
        }
    };
}
pub(crate) use named;
