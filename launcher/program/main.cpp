#include "launcher/run/command_line.h"

int main(int argc, char** argv) {
  return softmoe::launcher::run_program(argc, argv);
}
