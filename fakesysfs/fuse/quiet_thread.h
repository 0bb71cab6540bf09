#pragma once

#include <functional>
#include <thread>

namespace rdmalab::fakesysfs {

// A thread that no signal is delivered to: those are for the program's own. `name` as in /proc/PID/task/TID/comm.
std::thread quietThread(const char* name, std::function<void()> body);

} // namespace rdmalab::fakesysfs
