// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a classification costs outside of the kernel: a TorchScript model by libtorch, one window
 * at a time on one thread, in this process or in a server behind a Unix socket.
 *
 *   torchscript forward MODEL.pt ROWS WIDTH LOOPS   nanoseconds of processor time for a forward
 *   torchscript serve MODEL.pt WIDTH SOCKET         answer until the standard input ends
 *   torchscript ask SOCKET ROWS WIDTH LOOPS         nanoseconds from question to answer
 *
 * ROWS holds the model's inputs as 32-bit floats, WIDTH of them a window. The model is frozen and
 * runs in inference mode, the fastest that libtorch has to offer. On the socket, a question is a
 * row, and an answer the number of an output as one byte.
 */
#include <ATen/Parallel.h>
#include <torch/script.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

namespace
{

constexpr unsigned long WARM_UP = 2000; /* the JIT compiles what it has seen some times */

[[noreturn]] void die(const std::string &what)
{
	std::fprintf(stderr, "torchscript: %s\n", what.c_str());
	std::exit(1);
}

[[noreturn]] void die_errno(const std::string &what)
{
	die(what + ": " + std::strerror(errno));
}

unsigned long number(const char *text)
{
	char *end;

	errno = 0;
	unsigned long n = std::strtoul(text, &end, 10);
	if (errno || end == text || *end || !n)
		die(std::string("'") + text + "' is no number");
	return n;
}

double now_ns(clockid_t clock)
{
	timespec t;

	clock_gettime(clock, &t);
	return 1e9 * static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec);
}

class rows
{
      public:
	rows(const char *path, size_t row_width) : width(row_width)
	{
		std::ifstream file(path, std::ios::binary);
		std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};

		values.resize(bytes.size() / sizeof(float));
		if (values.size() < width || values.size() % width)
			die(std::string(path) + ": not rows of " + std::to_string(width));
		std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
	}

	float *row(size_t i)
	{
		return &values[i % (values.size() / width) * width];
	}

	const size_t width;

      private:
	std::vector<float> values;
};

class model
{
      public:
	explicit model(const char *path)
	{
		at::set_num_threads(1);
		try {
			module = torch::jit::load(path);
			module.eval();
			module = torch::jit::freeze(module);
		} catch (const c10::Error &error) {
			die(std::string(path) + ": " + error.what_without_backtrace());
		}
	}

	unsigned char answer(float *row, size_t width)
	{
		c10::InferenceMode guard;
		auto input = torch::from_blob(row, {1, static_cast<int64_t>(width)});
		auto logits = module.forward({input}).toTensor();
		const float *begin = logits.data_ptr<float>();

		return static_cast<unsigned char>(std::max_element(begin, begin + logits.numel()) -
						  begin);
	}

      private:
	torch::jit::Module module;
};

/* Keeps the answers from being computed for nothing. */
volatile unsigned char sink;

void forward(const char *path, rows r, unsigned long loops)
{
	model m(path);

	for (unsigned long i = 0; i < WARM_UP; i++)
		sink = m.answer(r.row(i), r.width);
	double began = now_ns(CLOCK_THREAD_CPUTIME_ID);
	for (unsigned long i = 0; i < loops; i++)
		sink = m.answer(r.row(i), r.width);
	std::printf("%.9g\n",
		    (now_ns(CLOCK_THREAD_CPUTIME_ID) - began) / static_cast<double>(loops));
}

/* All of @size bytes; false at the end of the stream. */
bool transfer(ssize_t (*function)(int, void *, size_t), int fd, void *at, size_t size)
{
	while (size) {
		ssize_t done = function(fd, at, size);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		at = static_cast<char *>(at) + done;
		size -= static_cast<size_t>(done);
	}
	return true;
}

ssize_t put(int fd, void *at, size_t size)
{
	return write(fd, at, size);
}

sockaddr_un address(const char *path)
{
	sockaddr_un a{};

	a.sun_family = AF_UNIX;
	if (std::strlen(path) >= sizeof(a.sun_path))
		die(std::string(path) + ": too long for a socket");
	std::strcpy(a.sun_path, path);
	return a;
}

int new_socket()
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die_errno("socket");
	return fd;
}

void serve(const char *path, size_t width, const char *socket_path)
{
	sockaddr_un a = address(socket_path);
	std::vector<float> row(width);
	int listening = new_socket();
	model m(path);

	for (unsigned long i = 0; i < WARM_UP; i++)
		sink = m.answer(row.data(), width);
	if (bind(listening, reinterpret_cast<sockaddr *>(&a), sizeof(a)) || listen(listening, 1))
		die_errno(socket_path);
	for (;;) {
		pollfd wait[] = {{listening, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};

		if (poll(wait, 2, -1) < 0 && errno != EINTR)
			die_errno("poll");
		if (wait[1].revents)
			return; /* whoever started this has gone */
		if (!wait[0].revents)
			continue;
		int fd = accept4(listening, nullptr, nullptr, SOCK_CLOEXEC);
		if (fd < 0)
			die_errno("accept");
		while (transfer(read, fd, row.data(), width * sizeof(float))) {
			unsigned char answer = m.answer(row.data(), width);

			if (!transfer(put, fd, &answer, 1))
				break;
		}
		close(fd);
	}
}

void ask(const char *socket_path, rows r, unsigned long loops)
{
	sockaddr_un a = address(socket_path);
	int fd = new_socket();
	double began = 0;

	if (connect(fd, reinterpret_cast<sockaddr *>(&a), sizeof(a)))
		die_errno(socket_path);
	for (unsigned long i = 0; i < WARM_UP / 10 + loops; i++) {
		unsigned char answer;

		if (i == WARM_UP / 10)
			began = now_ns(CLOCK_MONOTONIC);
		if (!transfer(put, fd, r.row(i), r.width * sizeof(float)) ||
		    !transfer(read, fd, &answer, 1))
			die("the server has gone");
		sink = answer;
	}
	std::printf("%.9g\n", (now_ns(CLOCK_MONOTONIC) - began) / static_cast<double>(loops));
	close(fd);
}

} // namespace

int main(int argc, char **argv)
{
	std::string what = argc > 1 ? argv[1] : "";

	std::signal(SIGPIPE, SIG_IGN);
	if (what == "forward" && argc == 6)
		forward(argv[2], rows(argv[3], number(argv[4])), number(argv[5]));
	else if (what == "serve" && argc == 5)
		serve(argv[2], number(argv[3]), argv[4]);
	else if (what == "ask" && argc == 6)
		ask(argv[2], rows(argv[3], number(argv[4])), number(argv[5]));
	else
		die("forward MODEL.pt ROWS WIDTH LOOPS | serve MODEL.pt WIDTH SOCKET | "
		    "ask SOCKET ROWS WIDTH LOOPS");
	return 0;
}
