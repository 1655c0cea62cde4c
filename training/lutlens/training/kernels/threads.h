// A pool of threads for short, uniform tasks.
#pragma once

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

class Pool {
  public:
    // Calls task(i) for i in [0, tasks) on up to `threads` threads, this one included; returns when all are done.
    // Calls from several threads wait for one another.
    static void run(int64_t threads, int64_t tasks, const std::function<void(int64_t)>& task) {
        if (threads <= 1 || tasks <= 1) {
            for (int64_t i = 0; i < tasks; i++) task(i);
            return;
        }
        instance().run_parallel(threads, tasks, task);
    }

  private:
    // Threads sleep between calls: on a shared machine, spinning ones cost more than waking them.
    std::mutex callers_, mutex_;
    std::condition_variable wake_, idle_;
    const std::function<void(int64_t)>* task_ = nullptr;
    std::atomic<int64_t> next_{0};
    int64_t tasks_ = 0;
    uint64_t generation_ = 0;
    int64_t workers_ = 0, wanted_ = 0, busy_ = 0;

    static Pool*& current() {
        static Pool* pool = nullptr;
        return pool;
    }

    // Never destroyed: its threads may sleep in it until the process ends. A forked child has no such threads, so it
    // begins with a new pool.
    static Pool& instance() {
        static std::once_flag once;
        std::call_once(once, [] {
            current() = new Pool;
            pthread_atfork(nullptr, nullptr, [] { current() = new Pool; });
        });
        return *current();
    }

    void run_parallel(int64_t threads, int64_t tasks, const std::function<void(int64_t)>& task) {
        std::lock_guard<std::mutex> one_caller(callers_);
        {
            std::unique_lock<std::mutex> lock(mutex_);
            // A thread that woke too late for the last call may still be finding that out.
            idle_.wait(lock, [this] { return busy_ == 0; });
            task_ = &task;
            tasks_ = tasks;
            next_ = 0;
            wanted_ = threads - 1;
            generation_++;
            for (; workers_ < wanted_; workers_++)
                std::thread([this, i = workers_, g = generation_ - 1] { work(i, g); }).detach();
        }
        wake_.notify_all();
        drain();
        std::unique_lock<std::mutex> lock(mutex_);
        idle_.wait(lock, [this] { return busy_ == 0; });
    }

    void drain() {
        for (int64_t i; (i = next_.fetch_add(1)) < tasks_;) (*task_)(i);
    }

    void work(int64_t index, uint64_t seen) {
        for (;;) {
            {
                std::unique_lock<std::mutex> lock(mutex_);
                wake_.wait(lock, [&] { return generation_ != seen; });
                seen = generation_;
                if (index >= wanted_) continue;
                busy_++;
            }
            drain();
            std::lock_guard<std::mutex> lock(mutex_);
            if (--busy_ == 0) idle_.notify_one();
        }
    }
};
