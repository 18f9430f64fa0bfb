#include "bench/bench_program.h"

#include <fmt/format.h>

#include <cstdio>
#include <thread>

#include "launcher/run/exit_code.h"
#include "launcher/run/launch_environment.h"
#include "launcher/run/together.h"
#include "parallel/mpi/mpi_session.h"

namespace softmoe::bench {

void add_shape_options(CLI::App& app, ShapeChoice& choice) {
  app.add_option("--shape", choice.shape, "demo, eight or sixty_four")->capture_default_str();
  app.add_option("-c,--config", choice.config_path, "a run's YAML file instead of a shape");
  app.add_option("--routing", choice.routing,
                 "softmoe (LapSum), or topk: softmax, as many experts as the budget has")
      ->check(CLI::IsMember({"softmoe", "topk"}))
      ->capture_default_str();
  app.add_option("overrides", choice.overrides, "key=value above the configuration");
}

std::optional<int> parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? static_cast<int>(launcher::ExitCode::done)
                                : static_cast<int>(launcher::ExitCode::usage);
  }
  return std::nullopt;
}

int run_bench(const std::string& program, const std::function<void()>& action) {
  try {
    action();
    return 0;
  } catch (const std::exception& error) {
    // All ranks tend to fail alike: the first one says so, and that is the end of the others.
    const int rank = launcher::launched_rank(launcher::lookup_environment);
    if (rank != 0) std::this_thread::sleep_for(launcher::kOthersFirst);
    fmt::print(stderr, "{}: rank {}: {}\n", program, rank, error.what());
    std::fflush(stderr);
    parallel::MpiSession::leave(static_cast<int>(launcher::exit_code_of(error)));
  }
}

}  // namespace softmoe::bench
