//! A queue of lines and the thread that writes them: a reader who does not read costs lines, never the gateway; knows
//! nothing of what they say.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// Lines that may wait for the writer.
const QUEUE: usize = 8_192;

/// How long the last lines may take at the end of the process.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where lines go. Clones share one writer, which ends when the last clone is gone and the queue is empty.
#[derive(Clone)]
pub struct Lines {
    queue: SyncSender<Item>,
    /// Lines that found the queue full or could not be written. Written by whoever writes, read by metrics.
    lost: Arc<AtomicU64>,
}

/// How the writer goes about it.
#[derive(Clone, Copy)]
pub struct Habit {
    /// The thread's name.
    pub name: &'static str,
    /// How long a line may wait in the writer's buffer while nothing else happens.
    pub linger: Duration,
    /// The line that says how many lines were lost before it; `None` where it would be out of place.
    pub notice: Option<fn(u64) -> Vec<u8>>,
}

/// What the writer is given.
enum Item {
    Line(Vec<u8>),
    /// Everything before this is to be written out, and that be said.
    Flush(SyncSender<()>),
}

impl Lines {
    /// Writes to `out` from a thread of its own.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(out: Box<dyn Write + Send>, habit: Habit) -> io::Result<Self> {
        let (queue, items) = sync_channel(QUEUE);
        let lost = Arc::<AtomicU64>::default();
        let writer = Writer {
            out: BufWriter::with_capacity(64 * 1024, out),
            habit,
            waiting: 0,
            lost: Arc::clone(&lost),
            told: 0,
        };
        std::thread::Builder::new().name(habit.name.to_owned()).spawn(move || writer.run(&items))?;
        Ok(Lines { queue, lost })
    }

    /// Writes one line, or counts it as lost.
    pub fn write(&self, line: Vec<u8>) {
        if self.queue.try_send(Item::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything that was written so far is out, but not for long: lines that nobody reads must not keep the
    /// process. Blocks.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.queue.try_send(Item::Flush(done)).is_ok() {
            let _ = written.recv_timeout(LAST_WORDS);
        }
    }

    /// How many lines were lost.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

struct Writer {
    out: BufWriter<Box<dyn Write + Send>>,
    habit: Habit,
    /// Lines in the buffer.
    waiting: u64,
    lost: Arc<AtomicU64>,
    /// How many lost lines were told of.
    told: u64,
}

impl Writer {
    fn run(mut self, items: &Receiver<Item>) {
        loop {
            match items.recv_timeout(self.habit.linger) {
                Ok(Item::Line(line)) => {
                    self.tell_loss();
                    self.write(&line);
                }
                Ok(Item::Flush(done)) => {
                    self.flush();
                    // Whoever asked may have stopped waiting.
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => self.flush(),
                Err(RecvTimeoutError::Disconnected) => return self.flush(),
            }
        }
    }

    fn write(&mut self, line: &[u8]) {
        self.waiting += 1;
        if self.out.write_all(line).is_err() {
            self.lose();
        }
    }

    fn flush(&mut self) {
        match self.out.flush() {
            Ok(()) => self.waiting = 0,
            Err(_) => self.lose(),
        }
    }

    /// There is nobody left to tell if the log itself cannot be written: the next line tries again.
    fn lose(&mut self) {
        self.lost.fetch_add(std::mem::take(&mut self.waiting), Ordering::Relaxed);
        // What could not be written is thrown away with its buffer; it would only be tried again and again.
        let nowhere: Box<dyn Write + Send> = Box::new(io::sink());
        let buffer = std::mem::replace(&mut self.out, BufWriter::new(nowhere));
        let (out, _) = buffer.into_parts();
        self.out = BufWriter::with_capacity(64 * 1024, out);
    }

    fn tell_loss(&mut self) {
        let lost = self.lost.load(Ordering::Relaxed);
        if let Some(notice) = self.habit.notice.filter(|_| lost > self.told) {
            self.write(&notice(lost - self.told));
            self.told = lost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Mutex, PoisonError, mpsc};

    const HABIT: Habit = Habit {
        name: "test",
        linger: Duration::from_millis(1),
        notice: Some(|lost| format!("{lost} lost\n").into_bytes()),
    };

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Paper {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).expect("text")
        }
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Blocks until it is let go, as a pipe that nobody reads.
    struct Stuck(mpsc::Receiver<()>, Paper);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_flush_waits_until_every_line_is_out() {
        let paper = Paper::default();
        let lines = Lines::start(Box::new(paper.clone()), HABIT).expect("a thread");
        (0..100).for_each(|number| lines.write(format!("{number}\n").into_bytes()));
        lines.flush();
        assert_eq!(paper.text().lines().count(), 100);
        assert_eq!(lines.lost(), 0);
    }

    #[test]
    fn a_reader_who_does_not_read_costs_lines_and_no_time_and_is_told_how_many() {
        let (let_go, gate) = mpsc::channel();
        let paper = Paper::default();
        let lines = Lines::start(Box::new(Stuck(gate, paper.clone())), HABIT).expect("a thread");
        (0..3 * QUEUE).for_each(|_| lines.write(b"a line\n".to_vec()));
        assert!(lines.lost() > 0);
        drop(let_go);
        let lost = lines.lost();
        let told = |text: &str| -> u64 {
            text.lines().filter_map(|line| line.strip_suffix(" lost")?.parse::<u64>().ok()).sum()
        };
        // The queue has room again once the writer goes on.
        while told(&paper.text()) < lost {
            lines.write(b"one more\n".to_vec());
            lines.flush();
        }
    }

    #[test]
    fn what_cannot_be_written_counts_as_lost() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::start(Box::new(Full), Habit { notice: None, ..HABIT }).expect("a thread");
        (0..10).for_each(|_| lines.write(b"line\n".to_vec()));
        lines.flush();
        assert_eq!(lines.lost(), 10);
    }
}
