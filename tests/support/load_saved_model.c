/* Loads an export by the loader of TensorFlow's C library, which TensorFlow Serving uses too, and
   runs some outputs of it, one after the other:

     load_saved_model FOLDER RUN...

   with a RUN as

     INPUTS [OPERATION:INDEX float|int32 RANK SIZE...]... OPERATION:INDEX

   the inputs and last the output by their names in the graph. The numbers of the inputs are read
   from standard input, those of each output are printed in a line. It ends at the first error. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tensorflow/c/c_api.h>

static void check(TF_Status *status) {
  if (TF_GetCode(status) == TF_OK) return;
  fprintf(stderr, "%d: %s\n", TF_GetCode(status), TF_Message(status));
  exit(1);
}

static TF_Output find(TF_Graph *graph, const char *tensor) {
  char name[512];
  snprintf(name, sizeof name, "%s", tensor);
  char *colon = strrchr(name, ':');
  TF_Output found = {NULL, atoi(colon + 1)};
  *colon = '\0';
  found.oper = TF_GraphOperationByName(graph, name);
  if (!found.oper) {
    fprintf(stderr, "no operation %s\n", name);
    exit(1);
  }
  return found;
}

static TF_Tensor *tensor(TF_DataType dtype, int rank, const int64_t *shape) {
  size_t count = 1;
  for (int i = 0; i < rank; i++) count *= shape[i];
  return TF_AllocateTensor(dtype, shape, rank, count * TF_DataTypeSize(dtype));
}

static size_t count(TF_Tensor *t) { return TF_TensorByteSize(t) / TF_DataTypeSize(TF_TensorType(t)); }

/* Runs one output and prints it: where the next RUN begins. */
static int run(TF_Session *session, TF_Graph *graph, char **argv, int next) {
  TF_Status *status = TF_NewStatus();
  int num_inputs = atoi(argv[next++]);
  TF_Output inputs[8];
  TF_Tensor *values[8];
  for (int i = 0; i < num_inputs; i++) {
    inputs[i] = find(graph, argv[next++]);
    TF_DataType dtype = strcmp(argv[next++], "float") ? TF_INT32 : TF_FLOAT;
    int rank = atoi(argv[next++]);
    int64_t shape[8];
    for (int d = 0; d < rank; d++) shape[d] = atoll(argv[next++]);
    values[i] = tensor(dtype, rank, shape);
    for (size_t k = 0; k < count(values[i]); k++) {
      double number;
      if (scanf("%lf", &number) != 1) exit(2);
      if (dtype == TF_FLOAT) ((float *)TF_TensorData(values[i]))[k] = (float)number;
      else ((int32_t *)TF_TensorData(values[i]))[k] = (int32_t)number;
    }
  }
  TF_Output output = find(graph, argv[next++]);
  TF_Tensor *result = NULL;
  TF_SessionRun(session, NULL, inputs, values, num_inputs, &output, &result, 1, NULL, 0, NULL, status);
  check(status);
  for (size_t k = 0; k < count(result); k++) {
    if (TF_TensorType(result) == TF_FLOAT) printf("%.9g ", ((float *)TF_TensorData(result))[k]);
    else printf("%d ", ((int32_t *)TF_TensorData(result))[k]);
  }
  printf("\n");
  return next;
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  const char *folder = argv[1];
  TF_Status *status = TF_NewStatus();
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  const char *tags[] = {"serve"};
  TF_Session *session =
      TF_LoadSessionFromSavedModel(options, NULL, folder, tags, 1, graph, NULL, status);
  check(status);

  for (int next = 2; next < argc;) next = run(session, graph, argv, next);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  return 0;
}
