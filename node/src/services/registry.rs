//! What the list of services is turned into: their state side by side, and who is called for what.

/// Makes `Services` of a list of services. Each names the commands that it takes with their fields,
/// and the events of its behaviours (`unheard` ones are dropped; `small_events` are not in boxes),
/// each with its method.
macro_rules! services {
    ($(
        $(#[$doc:meta])*
        $name:ident: $service:ty {
            $(commands { $($command:ident $({ $($field:ident),* })? => $does:ident),* $(,)? })?
            $(events { $($event:ident => $on:ident),* $(,)? })?
            $(small_events { $($small:ident => $on_small:ident),* $(,)? })?
            $(unheard { $($unheard:ident),* $(,)? })?
        }
    )*) => {
        /// All services of a node.
        pub struct Services {
            $($(#[$doc])* pub $name: $service,)*
        }

        impl Services {
            /// All services as `config` has them.
            pub fn new(config: &Config) -> Self {
                Self {
                    $($name: <$service>::new(config),)*
                }
            }

            /// Has all of them begin.
            ///
            /// # Errors
            /// The first that they have.
            pub fn on_start(&mut self, core: &mut Core) -> Result<(), StartError> {
                $(self.$name.on_start(core)?;)*
                Ok(())
            }

            /// Lets all of them know of something.
            pub fn on_signal(&mut self, core: &mut Core, signal: &Signal) {
                $(self.$name.on_signal(core, signal);)*
            }

            /// When the first of them is to be woken.
            pub fn next_time(&self) -> Option<Instant> {
                let times = [$(self.$name.next_time()),*];
                times.into_iter().flatten().min()
            }

            /// Has the one whose time comes first do what is due at `now`; false if nothing is.
            pub fn on_timer(&mut self, core: &mut Core, now: Instant) -> bool {
                let Some(first) = self.next_time().filter(|time| *time <= now) else {
                    return false;
                };
                $(if self.$name.next_time() == Some(first) {
                    self.$name.on_timer(core, now);
                    return true;
                })*
                false
            }

            /// Has `command` done, which is answered at `reply`.
            pub fn on_command(&mut self, core: &mut Core, command: Command, reply: ReplySender) {
                match command {
                    $($($(Command::$command $({ $($field),* })? => {
                        self.$name.$does(core, $($($field,)*)? reply);
                    })*)?)*
                }
            }

            /// Has one of them act on what its behaviour tells.
            pub fn on_event(&mut self, core: &mut Core, event: NodeBehaviourEvent) {
                match event {
                    $($($(NodeBehaviourEvent::$event(event) => self.$name.$on(core, *event),)*)?)*
                    $($($(NodeBehaviourEvent::$small(event) => {
                        self.$name.$on_small(core, event);
                    })*)?)*
                    $($($(NodeBehaviourEvent::$unheard(_))|* => {})?)*
                }
            }
        }

        impl Registry for Services {
            fn find(&mut self, service: TypeId) -> Option<&mut dyn Any> {
                $(if service == TypeId::of::<$service>() {
                    return Some(&mut self.$name);
                })*
                None
            }
        }
    };
}
