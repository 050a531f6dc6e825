//! Bytes to a child and from it, never waiting for longer than one wants to.

#[cfg(unix)]
mod pipes;
#[cfg(any(not(unix), test))]
mod threads;

#[cfg(unix)]
pub(super) use pipes::Pipes as Link;
#[cfg(not(unix))]
pub(super) use threads::Threads as Link;

/// What came of listening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Some bytes.
    Bytes,
    /// Nothing in time.
    Nothing,
    /// The end: the child closed its output.
    End,
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::process::{Child, Command};
    use std::time::{Duration, Instant};

    use super::pipes::Pipes;
    use super::threads::Threads;
    use super::*;

    /// What both kinds of link do.
    trait Both: Sized {
        fn spawn(command: &mut Command, watch: Duration) -> std::io::Result<(Child, Self)>;
        fn say(&mut self, bytes: Vec<u8>);
        fn hear(&mut self, deadline: Instant, to: &mut Vec<u8>) -> Heard;
        fn close(&mut self);
    }

    macro_rules! both {
        ($($link:ident)*) => {
            $(impl Both for $link {
                fn spawn(
                    command: &mut Command,
                    watch: Duration,
                ) -> std::io::Result<(Child, Self)> {
                    Self::spawn(command, watch)
                }
                fn say(&mut self, bytes: Vec<u8>) {
                    self.say(bytes);
                }
                fn hear(&mut self, deadline: Instant, to: &mut Vec<u8>) -> Heard {
                    self.hear(deadline, to)
                }
                fn close(&mut self) {
                    self.close();
                }
            })*
        };
    }
    both!(Pipes Threads);

    /// Not at all, for less than the waits of these tests, and for longer than a clock counts.
    const WATCHES: [Duration; 3] = [Duration::ZERO, Duration::from_millis(2), Duration::MAX];

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    /// More than fits between the two at once, in both directions, and back in order.
    fn echoes<L: Both>(watch: Duration) {
        // Which goes on holding what it was given.
        let mut command = Command::new("cat");
        let (mut child, mut link) = L::spawn(&mut command, watch).unwrap();
        let sent: Vec<u8> = (0..3_000_000u32).flat_map(u32::to_le_bytes).collect();
        sent.chunks(5_000_000).for_each(|part| link.say(part.to_vec()));
        let mut found = Vec::new();
        while found.len() < sent.len() {
            assert_eq!(link.hear(soon(), &mut found), Heard::Bytes);
        }
        assert!(found == sent);
        let start = Instant::now();
        let brief = start + Duration::from_millis(20);
        assert_eq!(link.hear(brief, &mut found), Heard::Nothing);
        assert!(Instant::now() >= brief && start.elapsed() < Duration::from_secs(10));
        link.close();
        assert_eq!(link.hear(soon(), &mut found), Heard::End);
        assert!(child.wait().unwrap().success());
        // To say something to who is gone is no error, and to listen tells.
        link.say(vec![0; 1000]);
        assert_eq!(link.hear(soon(), &mut found), Heard::End);
    }

    #[test]
    fn all_comes_back_in_order_and_the_end_is_seen() {
        for watch in WATCHES {
            echoes::<Pipes>(watch);
        }
        echoes::<Threads>(Duration::ZERO);
    }

    fn is_deaf<L: Both>(watch: Duration) {
        let mut command = Command::new("sleep");
        let (mut child, mut link) = L::spawn(command.arg("60"), watch).unwrap();
        link.say(vec![b' '; 3_000_000]);
        let brief = Instant::now() + Duration::from_millis(20);
        assert_eq!(link.hear(brief, &mut Vec::new()), Heard::Nothing);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(link.hear(soon(), &mut Vec::new()), Heard::End);
    }

    #[test]
    fn who_does_not_read_is_not_waited_for() {
        for watch in WATCHES {
            is_deaf::<Pipes>(watch);
        }
        is_deaf::<Threads>(Duration::ZERO);
    }
}
